"""Compiled: the gain of a split exactly as `core.tree._gain.split_gains` computes it.

Shape letters: K classes, C columns: the classes, the total of their labels, padding.
"""

import numpy as np

from core.tree._gain import GAIN_GRID, SQUARE_UNIT, Floats, share_log_share
from core.tree.compiled._compile import compiled, compiled_any_order

_share_log_share = compiled(share_log_share)


@compiled
def entropy_gain(
    side_C: Floats,
    other_C: Floats,
    num_classes: int,
    inverse: float,
    parent: float,
    rounding: float,
    terms_C: Floats,
) -> float:
    """Information gain; `side_C` and `other_C` are the columns of both sides."""
    children = negative_entropy(side_C, num_classes, inverse, rounding, terms_C)
    # Its term is there already: the total of the labels is a column too.
    sides = terms_C[num_classes]
    children += negative_entropy(other_C, num_classes, inverse, rounding, terms_C)
    sides += terms_C[num_classes]
    return float(np.rint((children - sides - parent) / GAIN_GRID)) * GAIN_GRID


@compiled
def squared_error_gain(
    side_C: Floats,
    other_C: Floats,
    num_classes: int,
    num_side: int,
    count: int,
    parent: float,
    rounding: float,
    terms_C: Floats,
) -> float:
    """Decrease of the squared error, from the columns of both sides."""
    children = square_terms(side_C, num_classes, num_side, count, rounding, terms_C)
    children += square_terms(other_C, num_classes, count - num_side, count, rounding, terms_C)
    return float(np.rint((children - parent) / GAIN_GRID)) * GAIN_GRID


@compiled
def negative_entropy(
    sums_C: Floats, num_classes: int, inverse: float, rounding: float, terms_C: Floats
) -> float:
    """Sum of p log2(p) over classes, with p = sum * inverse.

    `terms_C` is left with the rounded terms of all columns.
    """
    # Nothing is added up here and all columns are taken, so that the loop runs on vectors.
    for c in range(sums_C.size):
        terms_C[c] = (_share_log_share(sums_C[c] * inverse) + rounding) - rounding
    return _total(terms_C, num_classes)


@compiled
def square_terms(
    sums_C: Floats, num_classes: int, count: int, node_count: int, rounding: float, terms_C: Floats
) -> float:
    """Sum of squared means over classes, times the share of the node."""
    weight = SQUARE_UNIT / (float(count) * float(node_count))
    for c in range(sums_C.size):
        terms_C[c] = (sums_C[c] * sums_C[c] * weight + rounding) - rounding
    return _total(terms_C, num_classes)


@compiled_any_order
def _total(terms_C: Floats, num_classes: int) -> float:
    total = 0.0
    for k in range(num_classes):
        total += terms_C[k]
    return total
