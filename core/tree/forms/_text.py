"""A tree as indented rules."""

from collections.abc import Callable, Sequence

from core.errors import DataError
from core.tree._tree import DecisionTree

_INDENT = "    "


def to_text(
    tree: DecisionTree,
    *,
    feature_names: Sequence[str] | None = None,
    class_names: Sequence[str] | None = None,
) -> str:
    """Indented rules, each leaf with its top class, that class's share and its samples.

    Parameters
    ----------
    feature_names, class_names
        One name each; left out, "feature 0", "class 0" and so on.

    Raises
    ------
    DataError
        If there are more or fewer names than the tree has features or classes.

    Examples
    --------
    >>> tree = fit_tree(np.array([[0], [3]]), np.eye(2), num_levels=4, max_depth=1)
    >>> print(to_text(tree, class_names=["wren", "tit"]))
    if feature 0 <= 0:
        wren: 1.000 (1 sample)
    else:
        tit: 1.000 (1 sample)
    """
    feature_name = namer("feature", feature_names, tree.num_features)
    class_name = namer("class", class_names, tree.num_classes)
    lines = []
    # A stack, so that a deep tree does not run into the limit of recursion.
    stack: list[tuple[int, int, str]] = [(0, 0, "")]
    while stack:
        node, level, heading = stack.pop()
        if heading:
            lines.append(_INDENT * (level - 1) + heading)
        if tree.is_leaf[node]:
            top = int(tree.value[node].argmax())
            evidence = f"{tree.value[node, top]:.3f} ({samples(int(tree.num_samples[node]))})"
            leaf = f"{class_name(top)}: {evidence}"
            lines.append(_INDENT * level + leaf)
            continue
        test = f"if {feature_name(int(tree.feature[node]))} <= {tree.threshold[node]}:"
        stack.append((int(tree.right[node]), level + 1, "else:"))
        stack.append((int(tree.left[node]), level + 1, test))
    return "\n".join(lines)


def samples(count: int) -> str:
    """A number of samples in words."""
    return "1 sample" if count == 1 else f"{count} samples"


def namer(kind: str, names: Sequence[str] | None, count: int) -> Callable[[int], str]:
    """The function that names a feature or a class by its index."""
    if names is None:
        return lambda index: f"{kind} {index}"
    if len(names) != count:
        raise DataError(
            f"`{kind}_names` must name each of the tree's {count}, but has {len(names)} entries."
        )
    return lambda index: str(names[index])
