"""What the compiled grower works on. Compiled code takes these tuples apart, so they are flat.

Shape letters: N rows, D features, L levels, C columns: the classes, the total of their labels,
padding; P places for nodes, B slots for bounds, V visits, S slices of features, J leaders.
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from core.tree._gain import Floats
from core.tree.compiled._lists import Bytes, Counts, Entries, Rows
from core.tree.compiled._sets import Bits

Columns = npt.NDArray[np.int32]
Indices = npt.NDArray[np.int32]
Singles = npt.NDArray[np.float32]

NO_FEATURE = -1
NO_VISIT = -1
NO_SLOT = -1

NUM_LEADERS = 4
"""Features of the largest gains in a node, which its children look at first."""

# What a visit knows.
KNOWN = 0
"""A split, or that there is none, and bounds from an earlier look."""
NEW = 1
"""Nothing yet."""
PARTED = 2
"""Lists, which come from its parent's."""


class Rules(NamedTuple):
    """What stays the same while a tree grows."""

    num_features: int
    num_classes: int
    num_levels: int
    max_depth: int
    min_gain: float
    by_entropy: bool
    rounding: float
    """The constant that rounds terms."""
    grows_on: bool
    """Whether rows will be added to the tree."""
    rows_to_regrow: int
    """Up to so many a node is grown anew with all below it: few of its bounds would hold."""


class Table(NamedTuple):
    """All rows so far."""

    levels_DN: Bytes
    columns_NC: Columns
    references_D: Bytes
    """The level that a feature's lists leave out."""
    own_N: Floats
    """What a row alone would have as impurity, times its weight."""


class Places(NamedTuple):
    """Where nodes are kept. The root is at 0; the others stand in any order."""

    feature_P: Indices
    """`NO_FEATURE` for a leaf."""
    threshold_P: Indices
    left_P: Indices
    right_P: Indices
    count_P: Rows
    sums_PC: Floats
    """Column sums."""
    slot_P: Indices
    """Where the bounds of a larger node are, or `NO_SLOT`: it is then grown anew at each look."""
    free_P: Indices
    """The first `num_free_2[0]` of them are places without a node."""
    children_BD: Floats
    """G of each feature's best split, or less."""
    sides_BDL: Singles
    """Logarithm of one more than the rows that stand at least on the side of a row at a level, in a
    split by the feature."""
    free_B: Indices
    """The first `num_free_2[1]` of them are slots without bounds."""
    num_free_2: Indices


class Visits(NamedTuple):
    """The nodes of a level that are looked at."""

    place_V: Rows
    kind_V: Indices
    start_V: Rows
    """Where its rows are in `order_N`."""
    count_V: Rows
    parent_V: Floats
    """Minus its impurity, as a sum of rounded terms."""
    weight_V: Floats
    total_V: Floats
    """F."""
    slack_V: Floats
    """More than what rounding does to bounds, as a gain."""
    left_V: Rows
    """The visit of the next level that gets the left parts of its lists, or `NO_VISIT`."""
    right_V: Rows
    num_left_V: Rows
    seeds_SVJ: Rows
    """Features that each slice looks at first, or `NO_FEATURE`."""
    lengths_VD: Counts
    """Lengths of its lists."""
    offset_SV: Rows
    """Where each slice has its lists, one after the other."""


class Results(NamedTuple):
    """What each slice found in each visit."""

    gain_SV: Floats
    feature_SV: Rows
    threshold_SV: Rows
    left_SVC: Floats
    leaders_SVJ: Rows
    """Features of the largest gains, or `NO_FEATURE`."""


class Order(NamedTuple):
    """The rows, arranged by node."""

    order_N: Rows
    """Rows of a node stand side by side, in rising order."""
    right_N: Rows
    goes_left_N: Bytes
    """Of a row whose node was split last."""


class Scratch(NamedTuple):
    """Room for one thread's work on one node."""

    entries_N: Entries
    unsorted_N: Entries
    places_2L: Rows
    lengths_N: Counts
    """In how many of the slice's lists a row is."""
    portion_C: Columns
    side_C: Floats
    """The side of a split so far; of a small node it is in `portion_C` instead."""
    other_C: Floats
    terms_C: Floats
    best_left_C: Floats
    totals_C: Singles
    weights_C: Singles
    inverses_C: Singles
    shares_C: Singles
    centred_NC: Columns
    """Rows less their node's mean, where columns are one vector."""
    state_VC: Columns
    """What `_blocks` leaves from block to block."""
    bits_N2: Bits
    """Each row's bit in sets of rows of its node."""
    sets_S2: Bits
    leads_J: Floats
    """Gains of the leading features, or a little more."""
