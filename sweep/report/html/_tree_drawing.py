"""Where the boxes of a drawn tree go: root on the left, leaves on the right, one row a leaf."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from core.extractor import AttributeMatch
from core.gallery import NamedTest, named_tests
from core.tree import DecisionTree
from sweep.report.html._words import in_words

COLUMN, ROW = 244, 46
"""Distance of boxes, in the drawing's own units."""

BOX_WIDTH, BOX_HEIGHT = 190, 36
_LETTERS = 24  # that fit a box


@dataclass(frozen=True, kw_only=True)
class Box:
    """A node, and the line from its parent."""

    x: float
    y: float
    """Of its upper left corner."""

    heading: str
    detail: str
    full: str
    """Both, uncut."""

    is_leaf: bool
    is_named: bool
    share: float
    """Of a leaf's top class."""

    parent: tuple[float, float] | None
    """Where the line starts, at its parent's right edge; None for the root."""

    answer: str
    """What leads here: "yes", "no", or a range of levels where the attribute is still open."""


@dataclass(frozen=True, kw_only=True)
class TreeDrawing:
    """Boxes and the size that they take."""

    width: int
    height: int
    boxes: Sequence[Box]
    alternative: str


def tree_drawing(
    tree: DecisionTree, matches: Sequence[AttributeMatch], class_names: Sequence[str]
) -> TreeDrawing:
    """Lay out a whole tree, its tests named by the attributes that they decide."""
    tests = {test.node: test for test in named_tests(tree, matches)}
    rows = _rows(tree)
    corner = {
        node: (COLUMN * float(tree.depths[node]) + 4, ROW * row + 4) for node, row in rows.items()
    }
    boxes = [_box(tree, node, tests, corner, class_names) for node in range(tree.num_nodes)]
    named = sum(test.match is not None for test in tests.values())
    leaves = "1 leaf" if tree.num_leaves == 1 else f"{tree.num_leaves} leaves"
    return TreeDrawing(
        width=int(COLUMN * tree.depth + BOX_WIDTH + 8),
        height=int(ROW * (max(rows.values()) + 1)),
        boxes=boxes,
        alternative=f"The decision tree, of depth {tree.depth} with {leaves}; {named} of its "
        f"{len(tests)} tests are named by an attribute. The rules below say the same in words.",
    )


def _box(
    tree: DecisionTree,
    node: int,
    tests: dict[int, NamedTest],
    corner: dict[int, tuple[float, float]],
    class_names: Sequence[str],
) -> Box:
    x, y = corner[node]
    parent = int(tree.parents[node])
    start = None
    if node:
        start = (corner[parent][0] + BOX_WIDTH, corner[parent][1] + BOX_HEIGHT / 2)
    count = int(tree.num_samples[node])
    share = 0.0
    if tree.is_leaf[node]:
        top = int(tree.value[node].argmax())
        share = float(tree.value[node, top])
        heading, detail = class_names[top], f"{share:.0%} of {count} training images"
    else:
        test = tests[node]
        question = f"feature {test.feature} > {test.threshold}?"
        heading, detail = question, f"{count} training images"
        if test.match is not None:
            heading = in_words(test.match.attribute)
            detail = f"F1 {100 * test.match.f1:.0f} % · feature {test.feature} > {test.threshold}"
    return Box(
        x=x,
        y=y,
        heading=_cut(heading),
        detail=detail,
        full=f"{heading}: {detail}",
        is_leaf=bool(tree.is_leaf[node]),
        is_named=node in tests and tests[node].match is not None,
        share=share,
        parent=start,
        answer=_answer(tree, node, tests[parent]) if node else "",
    )


def _answer(tree: DecisionTree, node: int, test: NamedTest) -> str:
    is_low = node == tree.left[test.node]
    if test.match is None:
        return "no" if is_low else "yes"
    holds = test.low_holds if is_low else test.high_holds
    if holds is None:
        return f"{'≤' if is_low else '>'} {test.threshold}"
    return "yes" if holds else "no"


def _rows(tree: DecisionTree) -> dict[int, float]:
    """Leaves one below the other with the higher levels on top, parents midway."""
    rows: dict[int, float] = {}
    stack = [0]
    while stack:
        node = stack.pop()
        if tree.is_leaf[node]:
            rows[node] = float(len(rows))
        else:
            stack += [int(tree.left[node]), int(tree.right[node])]
    # Children have higher numbers than their parents.
    for node in np.flatnonzero(~tree.is_leaf)[::-1].tolist():
        rows[node] = (rows[int(tree.left[node])] + rows[int(tree.right[node])]) / 2
    return rows


def _cut(text: str) -> str:
    return text if len(text) <= _LETTERS else text[: _LETTERS - 1] + "…"
