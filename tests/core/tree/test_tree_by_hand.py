"""Trees that can be worked out by hand."""

import numpy as np
import pytest

from core.tree import DecisionTree, fit_tree

pytestmark = pytest.mark.parametrize("grower", ["compiled", "plain"])

A, B, C = np.eye(3)


@pytest.fixture(autouse=True)
def _floating_point_errors_raise():
    with np.errstate(all="raise"):
        yield


def only_leaf(tree: DecisionTree) -> np.ndarray:
    assert tree.num_nodes == tree.num_leaves == 1
    assert tree.depth == 0
    assert tree.used_features.size == 0
    assert tree.left.tolist() == tree.right.tolist() == [0]
    return tree.value[0]


def test_one_test_separates_two_classes(grower):
    levels = np.array([[5, 1], [5, 2], [5, 6], [5, 7]])
    labels = np.array([A, A, B, B])
    tree = fit_tree(levels, labels, num_levels=8, max_depth=3, grower=grower)
    assert tree.feature.tolist() == [1, 0, 0]
    assert tree.threshold.tolist() == [2, 0, 0]
    assert tree.left.tolist() == [1, 1, 2]
    assert tree.right.tolist() == [2, 1, 2]
    assert tree.num_samples.tolist() == [4, 2, 2]
    np.testing.assert_array_equal(tree.value, [[0.5, 0.5, 0], A, B])
    # Level 3 was never seen: it lies above the threshold.
    np.testing.assert_array_equal(tree.predict(np.array([[0, 2], [0, 3]])), [A, B])
    np.testing.assert_array_equal(tree.apply(np.array([[0, 2], [0, 3]])), [1, 2])


def test_nodes_are_numbered_breadth_first(grower):
    levels = np.array([[0], [1], [2], [3]])
    labels = np.array([A, B, C, C])
    tree = fit_tree(levels, labels, num_levels=4, max_depth=3, grower=grower)
    # 1.5 bits at the root; parting {A, B} from C gains 1 bit, parting A from the rest 0.81.
    assert tree.threshold.tolist() == [1, 0, 0, 0, 0]
    assert tree.left.tolist() == [1, 3, 2, 3, 4]
    assert tree.right.tolist() == [2, 4, 2, 3, 4]
    np.testing.assert_array_equal(tree.value[2:], [C, A, B])


def test_balanced_xor_has_no_first_split(grower):
    levels = np.array([[0, 0], [0, 1], [1, 0], [1, 1]])
    labels = np.array([A, B, B, A])
    tree = fit_tree(levels, labels, num_levels=2, max_depth=5, grower=grower)
    np.testing.assert_array_equal(only_leaf(tree), (A + B) / 2)


def test_unbalanced_xor_is_solved_by_two_tests(grower):
    levels = np.array([[0, 0], [0, 0], [0, 1], [1, 0], [1, 1]])
    labels = np.array([A, A, B, B, A])
    tree = fit_tree(levels, labels, num_levels=2, max_depth=5, grower=grower)
    assert tree.depth == 2
    np.testing.assert_array_equal(tree.predict(levels), labels)


def test_gain_of_a_coin_is_one_bit(grower):
    levels, labels = np.array([[0], [1]]), np.array([A, B])
    options = {"num_levels": 2, "max_depth": 1, "grower": grower}
    assert fit_tree(levels, labels, min_gain=1.0, **options).num_leaves == 1
    assert fit_tree(levels, labels, min_gain=1 - 2**-32, **options).num_leaves == 2


def test_gain_of_soft_labels(grower):
    # h(1/4) is the entropy left on either side: the gain is 1 - 0.811278...
    levels = np.array([[0], [1]])
    labels = np.array([[0.75, 0.25], [0.25, 0.75]])
    gain = 1 - (0.25 * 2 + 0.75 * np.log2(4 / 3))
    options = {"num_levels": 2, "max_depth": 1, "grower": grower}
    assert fit_tree(levels, labels, min_gain=gain + 2**-32, **options).num_leaves == 1
    assert fit_tree(levels, labels, min_gain=gain - 2**-32, **options).num_leaves == 2


def test_decrease_of_squared_error(grower):
    # Two classes, each with variance 1 about 0, and nothing left after the split.
    levels, labels = np.array([[0], [1]]), np.array([[1.0, -1.0], [-1.0, 1.0]])
    options = {"num_levels": 2, "max_depth": 1, "grower": grower, "criterion": "squared_error"}
    assert fit_tree(levels, labels, min_gain=2.0, **options).num_leaves == 1
    tree = fit_tree(levels, labels, min_gain=2 - 2**-32, **options)
    np.testing.assert_array_equal(tree.value, [[0, 0], [1, -1], [-1, 1]])


def test_criteria_may_choose_different_features(grower):
    labels = np.array([A, A, A, A, B, B, B, B, B])
    # Classes (0, 1) against (4, 4): 0.1022 bits, squared error 4/81.
    pure_side = np.array([1, 1, 1, 1, 1, 1, 1, 1, 0])
    # Classes (1, 3) against (3, 2): 0.0911 bits, squared error 4.9/81.
    even_sides = np.array([0, 1, 1, 1, 0, 0, 0, 1, 1])
    levels = np.stack([even_sides, pure_side], axis=1)
    options = {"num_levels": 2, "max_depth": 1, "grower": grower}
    assert fit_tree(levels, labels, criterion="information_gain", **options).feature[0] == 1
    assert fit_tree(levels, labels, criterion="squared_error", **options).feature[0] == 0


def test_pure_node_is_a_leaf(grower):
    labels = np.array([B, B, B])
    tree = fit_tree(np.array([[0], [1], [2]]), labels, num_levels=4, max_depth=3, grower=grower)
    np.testing.assert_array_equal(only_leaf(tree), B)


@pytest.mark.parametrize("criterion", ["information_gain", "squared_error"])
def test_equal_soft_labels_are_not_split(grower, criterion):
    labels = np.tile(np.random.default_rng(0).dirichlet(np.ones(200)), (16, 1))
    levels = np.arange(16)[:, None]
    options = {"num_levels": 16, "max_depth": 3, "grower": grower, "criterion": criterion}
    only_leaf(fit_tree(levels, labels, **options))


def test_one_sample(grower):
    tree = fit_tree(np.array([[3]]), C[None], num_levels=4, max_depth=3, grower=grower)
    np.testing.assert_array_equal(only_leaf(tree), C)


def test_one_class(grower):
    labels = np.ones((4, 1))
    levels = np.array([[0], [1], [2], [3]])
    tree = fit_tree(levels, labels, num_levels=4, max_depth=3, grower=grower)
    np.testing.assert_array_equal(only_leaf(tree), [1.0])


def test_constant_features(grower):
    levels = np.full((4, 3), 2)
    tree = fit_tree(levels, np.array([A, B, C, C]), num_levels=4, max_depth=3, grower=grower)
    np.testing.assert_array_equal(only_leaf(tree), [0.25, 0.25, 0.5])


def test_one_level(grower):
    levels = np.zeros((2, 1), dtype=np.uint8)
    tree = fit_tree(levels, np.array([A, B]), num_levels=1, max_depth=3, grower=grower)
    only_leaf(tree)


def test_depth_zero(grower):
    levels = np.array([[0], [1]])
    tree = fit_tree(levels, np.array([A, B]), num_levels=2, max_depth=0, grower=grower)
    np.testing.assert_array_equal(only_leaf(tree), (A + B) / 2)


def test_ties_go_to_the_lowest_feature(grower):
    column = np.array([0, 1, 2, 3])
    levels = np.stack([np.zeros(4, int), column, column, 3 - column], axis=1)
    labels = np.array([A, A, B, B])
    for order in ([0, 1, 2, 3], [0, 3, 1, 2], [3, 2, 1, 0]):
        tree = fit_tree(levels[:, order], labels, num_levels=4, max_depth=1, grower=grower)
        assert tree.feature[0] == next(i for i, j in enumerate(order) if j)
        assert tree.threshold[0] == 1


def test_ties_go_to_the_lowest_threshold(grower):
    # Parting A from the rest gains what parting C from the rest gains.
    levels = np.array([[1], [4], [6]])
    labels = np.array([A, B, C])
    tree = fit_tree(levels, labels, num_levels=8, max_depth=1, grower=grower)
    assert tree.threshold[0] == 1


@pytest.mark.parametrize("criterion", ["information_gain", "squared_error"])
@pytest.mark.parametrize("num_classes", [3, 10, 200])
def test_renamed_classes_do_not_break_a_tie(grower, criterion, num_classes):
    # Swapping classes in pairs takes the labels to themselves and one split to the other. Their
    # gains are sums of the same terms in another order: without exact sums they would differ.
    generator = np.random.default_rng(num_classes)
    for _ in range(20):
        pairs = generator.permutation(num_classes)[: num_classes // 2 * 2].reshape(-1, 2)
        swap = np.arange(num_classes)
        swap[pairs] = pairs[:, ::-1]
        half = generator.dirichlet(np.ones(num_classes), size=3)
        labels = np.concatenate([half, half[:, swap]])
        parts_row_0 = np.array([0, 1, 1, 1, 1, 1])
        levels = np.stack([parts_row_0, np.roll(parts_row_0, 3)], axis=1)
        options = {"num_levels": 2, "max_depth": 1, "grower": grower, "criterion": criterion}
        assert fit_tree(levels, labels, **options).feature.tolist() == [0, 0, 0]
        assert fit_tree(levels[:, ::-1], labels, **options).feature.tolist() == [0, 0, 0]
        tree = fit_tree(levels, labels, **options)
        assert tree.num_samples.tolist() == [6, 1, 5]


def test_class_that_never_occurs(grower):
    generator = np.random.default_rng(1)
    levels = generator.integers(0, 8, size=(50, 4))
    labels = np.eye(4)[generator.integers(0, 4, size=50)]
    spread = np.zeros((50, 7))
    spread[:, [0, 2, 3, 6]] = labels
    options = {"num_levels": 8, "max_depth": 10, "grower": grower}
    dense, sparse = fit_tree(levels, labels, **options), fit_tree(levels, spread, **options)
    assert dense.same_structure(sparse)
    np.testing.assert_array_equal(sparse.value[:, [0, 2, 3, 6]], dense.value)
    assert not sparse.value[:, [1, 4, 5]].any()


def test_splits_may_leave_a_class_without_mass_on_one_side(grower):
    generator = np.random.default_rng(2)
    levels = generator.permutation(60)[:, None]
    labels = np.eye(4)[generator.integers(0, 4, size=60)]
    tree = fit_tree(levels, labels, num_levels=64, max_depth=60, grower=grower)
    np.testing.assert_array_equal(tree.predict(levels), labels)


def test_integer_types_of_levels_make_no_difference(grower):
    levels = np.array([[0, 200], [255, 3], [7, 9]])
    labels = np.array([A, B, C])
    trees = [
        fit_tree(levels.astype(kind), labels, num_levels=256, max_depth=3, grower=grower)
        for kind in (np.uint8, np.int16, np.int64, np.uint64)
    ]
    assert all(tree == trees[0] for tree in trees)
