"""The compiled grower: keeps tables, nodes and scratch, and brings them up to date with new rows.

Shape letters: N rows, B blocks of `BLOCK_WIDTH` features, F features of a block, D features, C
columns (the classes, a one that counts rows, the total of a row, padding), K classes, P places for
nodes, M nodes.
"""

import numpy as np
import numpy.typing as npt

from core.tree._gain import SQUARE_UNIT, Criterion, rounding_constant
from core.tree._kernels import BLOCK_WIDTH
from core.tree._nodes import Nodes
from core.tree._samples import Samples
from core.tree._scan import bound_slack, make_work
from core.tree._settings import Settings
from core.tree._update import (
    NO_FEATURE,
    Places,
    Rules,
    Scratch,
    Table,
    number_nodes,
    update_nodes,
)

_COLUMNS = 8
"""Columns come in multiples of this, which fills the vectors of compiled loops."""


def grow(samples: Samples, settings: Settings) -> Nodes:
    """Grow a tree breadth-first. See `core.tree.fit_tree` for the rules."""
    num_features, num_classes = samples.levels_ND.shape[1], samples.units_NK.shape[1]
    grower = Grower(settings, num_features=num_features, num_classes=num_classes)
    grower.take(samples)
    return grower.nodes()


class Grower:
    """A tree over rows that may arrive in portions. Its input is checked elsewhere."""

    def __init__(self, settings: Settings, *, num_features: int, num_classes: int) -> None:
        self._rules = Rules(
            num_features=num_features,
            num_classes=num_classes,
            num_levels=settings.num_levels,
            max_depth=settings.max_depth,
            min_gain=settings.min_gain,
            by_entropy=settings.criterion is Criterion.INFORMATION_GAIN,
            rounding=rounding_constant(settings.criterion, num_classes),
            slack=bound_slack(_width(num_classes), np.float64),
            slack_of_few=bound_slack(_width(num_classes), np.float32),
        )
        self._table = _table(0, self._rules)
        self._scratch = _scratch(0, self._rules)
        self.clear()

    def clear(self) -> None:
        """Forget all rows, and keep the room that they took."""
        self.num_rows = 0
        self._num_grown = 0
        self._places = _places(1, self._rules)
        self._num_free = 0

    def take(self, samples: Samples) -> None:
        """Append rows; growing is put off until `nodes`."""
        count, num_features = samples.levels_ND.shape
        stop = self.num_rows + count
        self._reserve(stop)
        rows = slice(self.num_rows, stop)
        self._table.words_NV[rows] = _columns(samples).view(np.uint64)
        num_blocks = self._table.levels_BNF.shape[0]
        padded_ND = np.zeros((count, num_blocks * BLOCK_WIDTH), dtype=np.uint8)
        padded_ND[:, :num_features] = samples.levels_ND
        self._table.levels_BNF[:, rows] = padded_ND.reshape(count, num_blocks, -1).swapaxes(0, 1)
        if not self._rules.by_entropy:
            units_NK = samples.units_NK.astype(np.float64)
            self._table.square_N[rows] = SQUARE_UNIT * (units_NK * units_NK).sum(axis=1)
        self.num_rows = stop

    def nodes(self) -> Nodes:
        """The tree of all rows so far; there must be one."""
        if self._num_grown < self.num_rows:
            self._make_places(2 * min(self.num_rows, 2 ** min(self._rules.max_depth, 32)) - 1)
            self._num_free = update_nodes(
                self._table,
                self._num_grown,
                self.num_rows,
                self._rules,
                self._places,
                self._num_free,
                self._scratch,
            )
            self._num_grown = self.num_rows
        places = self._places
        place_M, left_M, right_M = np.empty((3, places.feature_P.size), dtype=np.int32)
        count = number_nodes(places, place_M, left_M, right_M)
        place_M = place_M[:count]
        is_leaf_M = places.feature_P[place_M] == NO_FEATURE
        return Nodes(
            feature_M=np.where(is_leaf_M, np.int32(0), places.feature_P[place_M]),
            threshold_M=np.where(is_leaf_M, np.int32(0), places.threshold_P[place_M]),
            left_M=left_M[:count].copy(),
            right_M=right_M[:count].copy(),
            num_samples_M=places.sums_PC[place_M, self._rules.num_classes].astype(np.int64),
            sums_MK=places.sums_PC[place_M, : self._rules.num_classes],
        )

    def _reserve(self, num_rows: int) -> None:
        capacity = self._table.words_NV.shape[0]
        if num_rows <= capacity:
            return
        capacity = max(num_rows, 2 * capacity)
        table = _table(capacity, self._rules)
        used = slice(0, self.num_rows)
        table.levels_BNF[:, used] = self._table.levels_BNF[:, used]
        table.words_NV[used] = self._table.words_NV[used]
        table.square_N[used] = self._table.square_N[used]
        self._table = table
        self._scratch = _scratch(capacity, self._rules)

    def _make_places(self, count: int) -> None:
        before = self._places.feature_P.size
        if count <= before:
            return
        # From one place on, the first time makes what is needed and no more.
        after = count if before == 1 else max(count, 2 * before)
        places = _places(after, self._rules)
        for name in Places._fields:
            getattr(places, name)[:before] = getattr(self._places, name)
        places.free_P[self._num_free : self._num_free + after - before] = np.arange(before, after)
        self._num_free += after - before
        self._places = places


def _columns(samples: Samples) -> npt.NDArray[np.uint32]:
    """What is summed over samples."""
    num_samples, num_classes = samples.units_NK.shape
    columns_NC = np.zeros((num_samples, _width(num_classes)), dtype=np.uint32)
    columns_NC[:, :num_classes] = samples.units_NK
    columns_NC[:, num_classes] = 1
    if samples.criterion is Criterion.INFORMATION_GAIN:
        columns_NC[:, num_classes + 1] = samples.units_NK.sum(axis=1)
    return columns_NC


def _width(num_classes: int) -> int:
    return -(-(num_classes + 2) // _COLUMNS) * _COLUMNS


def _table(capacity: int, rules: Rules) -> Table:
    num_blocks = -(-rules.num_features // BLOCK_WIDTH)
    return Table(
        levels_BNF=np.zeros((num_blocks, capacity, BLOCK_WIDTH), dtype=np.uint8),
        words_NV=np.zeros((capacity, _width(rules.num_classes) // 2), dtype=np.uint64),
        square_N=np.zeros(0 if rules.by_entropy else capacity),
    )


def _places(count: int, rules: Rules) -> Places:
    return Places(
        feature_P=np.full(count, NO_FEATURE, dtype=np.int32),
        threshold_P=np.zeros(count, dtype=np.int32),
        left_P=np.zeros(count, dtype=np.int32),
        right_P=np.zeros(count, dtype=np.int32),
        sums_PC=np.zeros((count, _width(rules.num_classes))),
        children_PD=np.full((count, rules.num_features), -np.inf),
        free_P=np.zeros(count, dtype=np.int32),
    )


def _scratch(capacity: int, rules: Rules) -> Scratch:
    width, num_levels = _width(rules.num_classes), rules.num_levels
    return Scratch(
        order_N=np.empty(capacity, dtype=np.int64),
        right_N=np.empty(capacity, dtype=np.int64),
        levels_1NF=np.empty((1, capacity, BLOCK_WIDTH), dtype=np.uint8),
        words_NV=np.empty((capacity, width // 2), dtype=np.uint64),
        counts_FL=np.empty((BLOCK_WIDTH, num_levels), dtype=np.int64),
        frequent_F=np.empty(BLOCK_WIDTH, dtype=np.int64),
        packed_FLV=np.empty((BLOCK_WIDTH, num_levels, width // 2), dtype=np.uint64),
        num_packed_FL=np.empty((BLOCK_WIDTH, num_levels), dtype=np.int64),
        histogram_FLC=np.empty((BLOCK_WIDTH, num_levels, width)),
        work=make_work(num_levels, width, np.float64),
        work_of_few=make_work(num_levels, width, np.float32),
        best_left_C=np.empty(width),
        upper_D=np.empty(rules.num_features),
        group_F=np.empty(BLOCK_WIDTH, dtype=np.int64),
        upper_F=np.empty(BLOCK_WIDTH),
    )
