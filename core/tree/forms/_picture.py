"""A picture of a tree: root on the left, leaves on the right, coloured by class."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from core.errors import ConfigError
from core.tree._tree import DecisionTree
from core.tree.forms._text import namer

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MAX_ROWS = 32
"""Boxes at the right edge of a picture whose depth was not chosen."""

_COLUMN_INCHES = 1.9
_ROW_INCHES = 0.36
_TITLE_INCHES = 0.45
_LEAST_INCHES = 4.0
"""Room for the title."""
_EDGE_COLOR = "#8a8a8a"
_NOTE_COLOR = "#5f5f5f"


def draw_tree(
    tree: DecisionTree,
    *,
    class_names: Sequence[str] | None = None,
    max_depth: int | None = None,
) -> "Figure":
    """Draw a tree for a person to read.

    Boxes hold tests; the upper edge is taken when a test holds. Leaves hold their top class, that
    class's share and the number of samples. The colour of a leaf is its top class's, the paler the
    smaller the share.

    Parameters
    ----------
    class_names
        Names of the K classes.
    max_depth
        Levels of tests to show, at least 1. Subtrees below are drawn as one box that says how many
        leaves it stands for. None: as many as keep the picture to 32 boxes from top to bottom.

    Raises
    ------
    ConfigError
        If `max_depth` is below 1.
    DataError
        If there is not one name per class.

    Examples
    --------
    >>> from core.tree import fit_tree
    >>> tree = fit_tree(np.array([[0], [3]]), np.eye(2), num_levels=4, max_depth=1)
    >>> draw_tree(tree, class_names=["cat", "dog"]).savefig("tree.png")  # doctest: +SKIP
    """
    # Slow to import, and needed by nothing else.
    from matplotlib.figure import Figure

    if max_depth is not None and max_depth < 1:
        raise ConfigError(f"`max_depth` must be at least 1, or None, but got {max_depth}.")
    class_name = namer("class", class_names, tree.num_classes)
    shown_depth = _readable_depth(tree) if max_depth is None else min(max_depth, tree.depth)
    heights = _heights(tree, shown_depth)
    rows, columns = max(heights.values()) + 1, shown_depth + 1
    width = max(columns * _COLUMN_INCHES, _LEAST_INCHES)
    height = rows * _ROW_INCHES + _TITLE_INCHES
    figure = Figure(figsize=(width, height))
    axes = figure.add_axes((0.0, 0.0, 1.0, 1 - _TITLE_INCHES / height))
    axes.set_axis_off()
    axes.set_xlim(-0.5, columns - 0.5)
    axes.set_ylim(rows - 0.5, -0.5)
    for node, row in heights.items():
        column = int(tree.depths[node])
        if not tree.is_leaf[node] and column < shown_depth:
            for child, answer in ((int(tree.left[node]), "yes"), (int(tree.right[node]), "no")):
                _draw_edge(axes, (column, row), (column + 1, heights[child]), answer)
        _draw_box(axes, tree, node, (column, row), shown_depth, class_name)
    title = _title(tree, shown_depth, len(heights))
    place = 1 - _TITLE_INCHES / (2 * height)
    figure.text(0.5, place, title, fontsize=9, color=_NOTE_COLOR, ha="center", va="center")
    return figure


def _readable_depth(tree: DecisionTree) -> int:
    depth = tree.depth
    while depth > 1 and _num_rows(tree, depth) > MAX_ROWS:
        depth -= 1
    return depth


def _num_rows(tree: DecisionTree, depth: int) -> int:
    leaves = tree.is_leaf & (tree.depths < depth)
    return int(leaves.sum() + (tree.depths == depth).sum())


def _heights(tree: DecisionTree, shown_depth: int) -> dict[int, float]:
    """The row of each node that is shown: ends one below the other, parents midway."""
    heights: dict[int, float] = {}
    next_row = 0
    stack = [0]
    while stack:
        node = stack.pop()
        if tree.is_leaf[node] or tree.depths[node] == shown_depth:
            heights[node] = next_row
            next_row += 1
        else:
            stack += [int(tree.right[node]), int(tree.left[node])]
    # Children have higher numbers than their parents.
    for node in np.flatnonzero(~tree.is_leaf & (tree.depths < shown_depth))[::-1].tolist():
        heights[node] = (heights[int(tree.left[node])] + heights[int(tree.right[node])]) / 2
    return heights


def _draw_edge(
    axes: "Axes", start: tuple[float, float], stop: tuple[float, float], answer: str
) -> None:
    turn = stop[0] - 0.5
    axes.plot(
        [start[0], turn, turn, stop[0]],
        [start[1], start[1], stop[1], stop[1]],
        color=_EDGE_COLOR,
        linewidth=1,
        zorder=1,
    )
    axes.text(
        turn + 0.02,
        stop[1],
        answer,
        fontsize=6.5,
        color=_NOTE_COLOR,
        va="bottom",
        ha="left",
        zorder=1,
    )


def _draw_box(
    axes: "Axes",
    tree: DecisionTree,
    node: int,
    place: tuple[float, float],
    shown_depth: int,
    class_name: Callable[[int], str],
) -> None:
    top = int(tree.value[node].argmax())
    share = float(tree.value[node, top])
    count = int(tree.num_samples[node])
    face: str | tuple[float, float, float] = "white"
    if tree.is_leaf[node]:
        text = f"{_shortened(class_name(top))}  {share:.0%}  ({count})"
        face = _class_color(top, share)
    elif tree.depths[node] < shown_depth:
        text = f"feature {tree.feature[node]} ≤ {tree.threshold[node]}  ({count})"
    else:
        text = f"… {_num_leaves_below(tree, node)} leaves  ({count})"
        face = "#eeeeee"
    style = {"boxstyle": "round,pad=0.3", "facecolor": face, "edgecolor": _EDGE_COLOR}
    axes.text(*place, text, fontsize=8, ha="center", va="center", bbox=style, zorder=2)


def _num_leaves_below(tree: DecisionTree, node: int) -> int:
    below = [node]
    leaves = 0
    while below:
        current = below.pop()
        if tree.is_leaf[current]:
            leaves += 1
        else:
            below += [int(tree.left[current]), int(tree.right[current])]
    return leaves


def _class_color(index: int, share: float) -> tuple[float, float, float]:
    from matplotlib import colormaps

    red, green, blue = colormaps["tab10"](index % 10)[:3]
    # Never so strong that black text on it is hard to read.
    strength = 0.1 + 0.5 * min(max(share, 0.0), 1.0)
    return (
        1 - strength * (1 - red),
        1 - strength * (1 - green),
        1 - strength * (1 - blue),
    )


def _shortened(name: str, length: int = 16) -> str:
    return name if len(name) <= length else name[: length - 1] + "…"


def _title(tree: DecisionTree, shown_depth: int, num_shown: int) -> str:
    leaves = "1 leaf" if tree.num_leaves == 1 else f"{tree.num_leaves} leaves"
    title = f"depth {tree.depth}, {leaves}, numbers of samples in brackets"
    hidden = tree.num_nodes - num_shown
    if hidden:
        title += f"; not shown: {hidden} of {tree.num_nodes} nodes, below depth {shown_depth}"
    return title
