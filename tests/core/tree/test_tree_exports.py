"""The tree as text, as JSON and as a picture."""

import json

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from sklearn.datasets import load_digits

from core.tree import DecisionTree, draw_tree, fit_tree
from core.tree._picture import MAX_ROWS


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
    assert small_tree.to_text() == (
        "if feature 0 <= 0:\n"
        "    if feature 1 <= 0:\n"
        "        class 0: 1.000 (1 sample)\n"
        "    else:\n"
        "        class 1: 1.000 (1 sample)\n"
        "else:\n"
        "    class 2: 0.938 (2 samples)"
    )


def test_text_with_names(small_tree):
    text = small_tree.to_text(feature_names=["bill", "crown"], class_names=["wren", "tit", "jay"])
    assert text.splitlines()[1:3] == ["    if crown <= 0:", "        wren: 1.000 (1 sample)"]
    assert text.splitlines()[-1] == "    jay: 0.938 (2 samples)"


def test_text_of_a_chain():
    levels = np.arange(256)[:, None]
    # Class 0 shrinks from level to level so fast that each split takes one level off.
    weights = 0.5 ** np.arange(256)
    labels = np.stack([weights, 1 - weights], axis=1)
    tree = fit_tree(levels, labels, num_levels=256, max_depth=300)
    assert tree.to_text().count("class ") == tree.num_leaves


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
