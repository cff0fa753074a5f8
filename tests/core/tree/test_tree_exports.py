"""The tree as text, as JSON and as a picture."""

import json

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from sklearn.datasets import load_digits

from core.errors import DataError
from core.tree import (
    DecisionTree,
    draw_tree,
    fit_tree,
    load_tree,
    rule_of,
    rules,
    save_tree,
    to_rules,
    to_text,
)
from core.tree.forms._picture import MAX_ROWS


@pytest.fixture(scope="module")
def digits_trees():
    images, classes = load_digits(return_X_y=True)
    levels = np.minimum(images, 15).astype(np.uint8)
    labels = 0.94 * np.eye(10)[classes] + 0.006
    return {depth: fit_tree(levels, labels, num_levels=16, max_depth=depth) for depth in (1, 4, 8)}


@pytest.fixture
def small_tree():
    levels = np.array([[0, 0], [0, 3], [2, 1], [2, 1]])
    labels = np.array([[1, 0, 0], [0, 1, 0], [0, 0, 1], [0, 0.125, 0.875]])
    return fit_tree(levels, labels, num_levels=4, max_depth=2)


def test_text(small_tree):
    assert to_text(small_tree) == (
        "if feature 0 <= 0:\n"
        "    if feature 1 <= 0:\n"
        "        class 0: 1.000 (1 sample)\n"
        "    else:\n"
        "        class 1: 1.000 (1 sample)\n"
        "else:\n"
        "    class 2: 0.938 (2 samples)"
    )


def test_text_with_names(small_tree):
    text = to_text(small_tree, feature_names=["bill", "crown"], class_names=["wren", "tit", "jay"])
    assert text.splitlines()[1:3] == ["    if crown <= 0:", "        wren: 1.000 (1 sample)"]
    assert text.splitlines()[-1] == "    jay: 0.938 (2 samples)"


def test_text_of_a_chain():
    levels = np.arange(256)[:, None]
    # Class 0 shrinks from level to level so fast that each split takes one level off.
    weights = 0.5 ** np.arange(256)
    labels = np.stack([weights, 1 - weights], axis=1)
    tree = fit_tree(levels, labels, num_levels=256, max_depth=300)
    assert to_text(tree).count("class ") == tree.num_leaves


def test_json_round_trip_is_exact(digits_trees):
    for tree in digits_trees.values():
        again = DecisionTree.from_dict(json.loads(json.dumps(tree.to_dict())))
        assert again == tree
        assert again.value.tobytes() == tree.value.tobytes()


def test_equality(small_tree):
    stored = small_tree.to_dict()
    stored["value"][-1] = [0.0, 0.0, 1.0]
    other = DecisionTree.from_dict(stored)
    assert other.same_structure(small_tree)
    assert other != small_tree
    stored["threshold"][0] = 1
    assert not DecisionTree.from_dict(stored).same_structure(small_tree)
    assert small_tree != "a tree"


def texts(figure: Figure) -> list[str]:
    (axes,) = figure.axes
    return [text.get_text() for text in (*axes.texts, *figure.texts)]


def test_picture_shows_each_node_once(digits_trees):
    tree = digits_trees[4]
    figure = draw_tree(tree, class_names=[f"digit {i}" for i in range(10)])
    shown = texts(figure)
    assert sum("feature" in text for text in shown) == (~tree.is_leaf).sum()
    assert sum("digit" in text for text in shown) == tree.num_leaves
    assert shown.count("yes") == shown.count("no") == (~tree.is_leaf).sum()
    assert f"feature {tree.feature[0]} ≤ {tree.threshold[0]}  (1797)" in shown
    assert not any("not shown" in text for text in shown)


def test_picture_of_a_deep_tree_says_what_it_leaves_out(digits_trees):
    tree = digits_trees[8]
    for options in ({}, {"max_depth": 3}):
        shown = texts(draw_tree(tree, **options))
        boxes = [text for text in shown if "(" in text and "depth" not in text]
        ends = [text for text in boxes if "≤" not in text]
        assert len(ends) <= MAX_ROWS
        in_subtrees = sum(int(text.split()[1]) for text in ends if text.startswith("…"))
        leaves = sum(not text.startswith("…") for text in ends)
        assert in_subtrees + leaves == tree.num_leaves
        hidden = tree.num_nodes - len(boxes)
        assert any(f"not shown: {hidden} of {tree.num_nodes} nodes" in text for text in shown)


def test_boxes_of_a_picture_do_not_overlap(digits_trees):
    figure = draw_tree(digits_trees[8], class_names=["a rather long class name"] * 10)
    renderer = FigureCanvasAgg(figure).get_renderer()
    (axes,) = figure.axes
    boxes = [t.get_window_extent(renderer) for t in axes.texts if t.get_bbox_patch()]
    for i, box in enumerate(boxes):
        assert not any(box.overlaps(other) for other in boxes[i + 1 :])


@pytest.mark.parametrize("depth", [1, 4, 8])
def test_picture_can_be_saved(digits_trees, depth, tmp_path):
    path = tmp_path / "tree.png"
    draw_tree(digits_trees[depth]).savefig(path, dpi=40)
    assert path.read_bytes().startswith(b"\x89PNG")


def test_picture_of_a_single_leaf():
    tree = fit_tree(np.array([[0]]), np.eye(3)[:1], num_levels=4, max_depth=2)
    shown = texts(draw_tree(tree))
    assert "class 0  100%  (1)" in shown
    assert any(text.startswith("depth 0, 1 leaf,") for text in shown)


class TestRules:
    def test_each_line_says_class_conditions_share_and_samples(self, small_tree):
        assert to_rules(small_tree).splitlines() == [
            "class 0 when feature 0 is 0 and feature 1 is 0 (1.000 of 1 sample)",
            "class 1 when feature 0 is 0 and feature 1 is at least 1 (1.000 of 1 sample)",
            "class 2 when feature 0 is at least 1 (0.938 of 2 samples)",
        ]

    def test_with_names(self, small_tree):
        text = to_rules(small_tree, feature_names=["bill", "crown"], class_names=["a", "b", "c"])
        assert text.splitlines()[2] == "c when bill is at least 1 (0.938 of 2 samples)"

    def test_a_tree_of_one_leaf(self):
        tree = fit_tree(np.zeros((3, 1), int), np.full((3, 2), 0.5), num_levels=2, max_depth=3)
        assert to_rules(tree) == "class 0 always (0.500 of 3 samples)"

    def test_tests_of_one_feature_become_one_range(self):
        levels = np.repeat(np.arange(4), [4, 2, 2, 4])[:, None]
        tree = fit_tree(levels, np.eye(3)[[0] * 4 + [1] * 4 + [2] * 4], num_levels=4, max_depth=2)
        assert to_rules(tree).splitlines()[1] == (
            "class 1 when feature 0 is from 1 to 2 (1.000 of 4 samples)"
        )

    def test_a_rule_holds_for_exactly_the_samples_of_its_leaf(self, digits_trees):
        images, _ = load_digits(return_X_y=True)
        levels = np.minimum(images, 15).astype(np.uint8)
        tree = digits_trees[8]
        leaves = tree.apply(levels)
        found = rules(tree)
        assert sorted(rule.leaf for rule in found) == np.flatnonzero(tree.is_leaf).tolist()
        for rule in found:
            holds = np.ones(len(levels), dtype=bool)
            for condition in rule.conditions:
                column = levels[:, condition.feature]
                holds &= (column >= condition.lowest) & (column <= condition.highest)
            assert np.array_equal(holds, leaves == rule.leaf)
            assert rule.num_samples == holds.sum()

    def test_of_a_node_that_is_no_leaf_is_refused(self, small_tree):
        with pytest.raises(ValueError, match="Node 0 is no leaf"):
            rule_of(small_tree, 0)


class TestFiles:
    @pytest.mark.parametrize("ending", ["json", "npz"])
    def test_round_trip_is_exact(self, digits_trees, tmp_path, ending):
        for depth, tree in digits_trees.items():
            path = tmp_path / f"{depth}.{ending}"
            save_tree(tree, path)
            again = load_tree(path)
            assert again == tree
            assert again.value.dtype == tree.value.dtype

    def test_another_ending_is_refused(self, small_tree, tmp_path):
        with pytest.raises(DataError, match=r"stored as \.json or \.npz, but the path is"):
            save_tree(small_tree, tmp_path / "tree.pkl")
        with pytest.raises(DataError, match=r"stored as \.json or \.npz, but the path is"):
            load_tree(tmp_path / "tree.pkl")

    @pytest.mark.parametrize("name", ["tree.json", "tree.npz"])
    def test_a_file_of_something_else_is_refused(self, tmp_path, name):
        path = tmp_path / name
        path.write_text("no tree")
        with pytest.raises(DataError, match="wrote: "):
            load_tree(path)

    def test_a_pickle_in_an_npz_is_refused(self, tmp_path):
        np.savez(tmp_path / "tree.npz", feature=np.array([{}], dtype=object))
        with pytest.raises(DataError, match="wrote: "):
            load_tree(tmp_path / "tree.npz")

    def test_json_of_something_else_is_refused(self, tmp_path):
        path = tmp_path / "tree.json"
        path.write_text("[1]")
        with pytest.raises(DataError, match="holds no tree, but a list"):
            load_tree(path)
        path.write_text("{}")
        with pytest.raises(DataError, match="pass what `to_dict` gave"):
            load_tree(path)
