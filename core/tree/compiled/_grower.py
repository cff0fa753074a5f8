"""The compiled grower: keeps tables, nodes and scratch, and brings them up to date with new rows.

Shape letters: N rows, D features, C columns (the classes, the total of a row, padding), K classes,
P places for nodes, V visits, S slices of features, M nodes.
"""

import functools
import itertools
import math
from typing import Any

import numpy as np
import numpy.typing as npt

from core.tree._gain import Criterion, rounding_constant
from core.tree._nodes import Nodes
from core.tree._samples import Samples
from core.tree._settings import Settings
from core.tree.compiled._blocks import NUM_VECTORS
from core.tree.compiled._level import scan_level
from core.tree.compiled._lists import find_references
from core.tree.compiled._llvm import LANES
from core.tree.compiled._places import number_nodes
from core.tree.compiled._records import (
    NO_FEATURE,
    NO_SLOT,
    NUM_LEADERS,
    Order,
    Places,
    Results,
    Rules,
    Scratch,
    Table,
    Visits,
)
from core.tree.compiled._rows import put_own_entropies, put_own_squares
from core.tree.compiled._sets import NUM_SLOTS
from core.tree.compiled._threads import num_threads, run_all
from core.tree.compiled._transpose import put_columns
from core.tree.compiled._update import close_level, open_visit

_CACHE_LINE = 64
_ROWS_TO_FIND_REFERENCES = 256
_ROWS_TO_REGROW = 96
_ROWS_TO_REGROW_NARROW = 256
"""More where a row's columns fit into one vector, for growing anew is so much faster there."""
_CELLS_OF_A_SLICE = 2**16
"""Fewer rows times features than this are not worth a thread of their own."""


def grow(samples: Samples, settings: Settings) -> Nodes:
    """Grow a tree breadth-first. See `core.tree.fit_tree` for the rules."""
    num_features, num_classes = samples.levels_ND.shape[1], samples.units_NK.shape[1]
    grower = Grower(settings, num_features=num_features, num_classes=num_classes, grows_on=False)
    grower.take(samples)
    return grower.nodes()


class Grower:
    """A tree over rows that may arrive in portions. Its input is checked elsewhere.

    `grows_on` says that there will be portions after the first tree.
    """

    def __init__(
        self, settings: Settings, *, num_features: int, num_classes: int, grows_on: bool
    ) -> None:
        width = -(-(num_classes + 1) // LANES) * LANES
        self._rules = Rules(
            num_features=num_features,
            num_classes=num_classes,
            num_levels=settings.num_levels,
            max_depth=settings.max_depth,
            min_gain=settings.min_gain,
            by_entropy=settings.criterion is Criterion.INFORMATION_GAIN,
            rounding=rounding_constant(settings.criterion, num_classes),
            grows_on=grows_on,
            rows_to_regrow=_ROWS_TO_REGROW_NARROW if width == LANES else _ROWS_TO_REGROW,
        )
        self._width = width
        self._scratches: list[Scratch] = []
        self._upper_D = np.empty(num_features)
        self._terms_C = np.empty(self._width)
        self._table = self._make_table(0)
        self._order = self._make_order(0)
        self._entries_E = np.empty((2, 0), dtype=np.uint32)
        self.clear()

    def clear(self) -> None:
        """Forget all rows, and keep the room that they took."""
        self.num_rows = 0
        self._num_grown = 0
        self._places = self._make_places(1, 0)

    def take(self, samples: Samples) -> None:
        """Append rows; growing is put off until `nodes`."""
        rules = self._rules
        start, stop = self.num_rows, self.num_rows + len(samples.levels_ND)
        self._reserve(stop)
        table = self._table
        slices = self._slices(stop - start)
        run_all([functools.partial(self._put_columns, samples, *bounds) for bounds in slices])
        table.columns_NC[start:stop, : rules.num_classes] = samples.units_NK
        put_own = put_own_entropies if rules.by_entropy else put_own_squares
        put_own(table.columns_NC, start, stop, rules.num_classes, table.own_N)
        self.num_rows = stop

    def nodes(self) -> Nodes:
        """The tree of all rows so far; there must be one."""
        if self._num_grown < self.num_rows:
            self._grow()
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
            num_samples_M=places.count_P[place_M],
            sums_MK=places.sums_PC[place_M, : self._rules.num_classes],
        )

    def _grow(self) -> None:
        rules, order, table = self._rules, self._order, self._table
        self._make_room()
        places = self._places
        new = slice(self._num_grown, self.num_rows)
        places.sums_PC[0] += table.columns_NC[new].sum(axis=0, dtype=np.float64)
        places.count_P[0] = self.num_rows
        order.order_N[: self.num_rows] = np.arange(self.num_rows)
        slices = self._slices(self.num_rows)
        self._make_entries(len(slices))
        visits = self._make_visits(1, len(slices))
        opened = open_visit(
            table, rules, places, order, visits, 0, 0, 0, self.num_rows, 0, self._terms_C
        )
        above, depth = self._make_visits(0, len(slices)), 0
        if not opened:
            visits = above
        while visits.place_V.size:
            results = self._scan(slices, above, visits, depth)
            below = self._make_visits(2 * visits.place_V.size, len(slices))
            num_below = close_level(
                table,
                self._num_grown,
                rules,
                places,
                order,
                visits,
                results,
                below,
                depth,
                self._terms_C,
            )
            above, visits = visits, _first_visits(below, num_below)
            depth += 1
        self._num_grown = self.num_rows

    def _put_columns(self, samples: Samples, first: int, last: int) -> None:
        start, table = self.num_rows, self._table
        put_columns(samples.levels_ND, start, table.levels_DN, first, last)
        if start < _ROWS_TO_FIND_REFERENCES:
            num_seen = min(start + len(samples.levels_ND), _ROWS_TO_FIND_REFERENCES)
            find_references(
                table.levels_DN,
                num_seen,
                self._rules.num_levels,
                table.references_D,
                first,
                last,
            )

    def _slices(self, num_rows: int) -> list[tuple[int, int]]:
        """Features of each thread, from the first to before the last, for work on so many rows."""
        num_features = self._rules.num_features
        cells = num_rows * num_features
        num_slices = max(1, min(num_threads(), cells // _CELLS_OF_A_SLICE, num_features))
        bounds = np.linspace(0, num_features, num_slices + 1).astype(int).tolist()
        return list(itertools.pairwise(bounds))

    def _make_entries(self, num_slices: int) -> None:
        """Make room for the lists of a level and of the one above it."""
        room = (self._rules.num_features + num_slices) * self._table.own_N.size
        if self._entries_E.shape[1] < room:
            # Memory that is never touched is never taken.
            self._entries_E = np.empty((2, room), dtype=np.uint32)

    def _scan(
        self, slices: list[tuple[int, int]], above: Visits, visits: Visits, depth: int
    ) -> Results:
        num_visits, num_slices = visits.place_V.size, len(slices)
        results = Results(
            gain_SV=np.empty((num_slices, num_visits)),
            feature_SV=np.empty((num_slices, num_visits), dtype=np.int64),
            threshold_SV=np.empty((num_slices, num_visits), dtype=np.int64),
            left_SVC=np.empty((num_slices, num_visits, self._width)),
            leaders_SVJ=np.empty((num_slices, num_visits, NUM_LEADERS), dtype=np.int64),
        )
        run_all(
            [
                functools.partial(
                    scan_level,
                    self._table,
                    self._num_grown,
                    self._rules,
                    self._places,
                    self._order,
                    above,
                    self._entries_E[1 - depth % 2],
                    visits,
                    self._entries_E[depth % 2],
                    results,
                    self._scratch(index),
                    self._upper_D,
                    index,
                    first,
                    last,
                )
                for index, (first, last) in enumerate(slices)
            ]
        )
        return results

    def _reserve(self, num_rows: int) -> None:
        capacity = self._table.own_N.size
        if num_rows <= capacity:
            return
        capacity = max(num_rows, 2 * capacity)
        table = self._make_table(capacity)
        used = slice(0, self.num_rows)
        table.levels_DN[:, used] = self._table.levels_DN[:, used]
        table.columns_NC[used] = self._table.columns_NC[used]
        table.references_D[:] = self._table.references_D
        table.own_N[used] = self._table.own_N[used]
        self._table = table
        self._order = self._make_order(capacity)
        self._scratches = []

    def _make_room(self) -> None:
        """Make places for any tree over the rows so far, and slots for all but deep chains."""
        rules, before = self._rules, self._places
        widths = [2**depth for depth in range(min(rules.max_depth, 32))]
        num_places = 2 * min(self.num_rows, 2 ** len(widths)) - 1
        # Nodes of a level share no rows.
        large = self.num_rows // (rules.rows_to_regrow + 1) if rules.grows_on else 0
        num_slots = min(sum(min(width, large) for width in widths), num_places)
        num_before, slots_before = before.feature_P.size, before.free_B.size
        if num_places <= num_before and num_slots <= slots_before:
            return
        # From one place on, the first time makes what is needed and no more.
        if num_before > 1:
            num_places, num_slots = 2 * num_places, 2 * num_slots
        num_places, num_slots = max(num_places, num_before), max(num_slots, slots_before)
        places = self._make_places(num_places, num_slots)
        for name in Places._fields:
            old = getattr(before, name)
            getattr(places, name)[: len(old)] = old
        free_places, free_slots = before.num_free_2
        for free, num_free, new in (
            (places.free_P, free_places, np.arange(num_before, num_places)),
            (places.free_B, free_slots, np.arange(slots_before, num_slots)),
        ):
            free[num_free : num_free + len(new)] = new
        places.num_free_2[:] += (num_places - num_before, num_slots - slots_before)
        self._places = places

    def _make_table(self, capacity: int) -> Table:
        num_features = self._rules.num_features
        return Table(
            levels_DN=np.zeros((num_features, capacity), dtype=np.uint8),
            columns_NC=_aligned((capacity, self._width), np.int32),
            references_D=np.zeros(num_features, dtype=np.uint8),
            own_N=np.zeros(capacity),
        )

    def _make_order(self, capacity: int) -> Order:
        return Order(
            order_N=np.empty(capacity, dtype=np.int64),
            right_N=np.empty(capacity, dtype=np.int64),
            goes_left_N=np.empty(capacity, dtype=np.uint8),
        )

    def _make_places(self, count: int, num_slots: int) -> Places:
        rules = self._rules
        slots = max(1, num_slots)  # one in any case, for compiled code to point at
        return Places(
            feature_P=np.full(count, NO_FEATURE, dtype=np.int32),
            threshold_P=np.zeros(count, dtype=np.int32),
            left_P=np.zeros(count, dtype=np.int32),
            right_P=np.zeros(count, dtype=np.int32),
            count_P=np.zeros(count, dtype=np.int64),
            sums_PC=np.zeros((count, self._width)),
            slot_P=np.full(count, NO_SLOT, dtype=np.int32),
            free_P=np.zeros(count, dtype=np.int32),
            children_BD=np.empty((slots, rules.num_features)),
            sides_BDL=np.empty((slots, rules.num_features, rules.num_levels), dtype=np.float32),
            free_B=np.zeros(num_slots, dtype=np.int32),
            num_free_2=np.zeros(2, dtype=np.int32),
        )

    def _make_visits(self, count: int, num_slices: int) -> Visits:
        return Visits(
            place_V=np.empty(count, dtype=np.int64),
            kind_V=np.empty(count, dtype=np.int32),
            start_V=np.empty(count, dtype=np.int64),
            count_V=np.empty(count, dtype=np.int64),
            parent_V=np.empty(count),
            weight_V=np.empty(count),
            total_V=np.empty(count),
            slack_V=np.empty(count),
            left_V=np.empty(count, dtype=np.int64),
            right_V=np.empty(count, dtype=np.int64),
            num_left_V=np.empty(count, dtype=np.int64),
            seeds_SVJ=np.empty((num_slices, count, NUM_LEADERS), dtype=np.int64),
            lengths_VD=np.empty((count, self._rules.num_features), dtype=np.int32),
            offset_SV=np.empty((num_slices, count), dtype=np.int64),
        )

    def _scratch(self, index: int) -> Scratch:
        while len(self._scratches) <= index:
            self._scratches.append(self._make_scratch())
        return self._scratches[index]

    def _make_scratch(self) -> Scratch:
        capacity = self._table.own_N.size
        capacity_narrow = capacity if self._width == LANES else 0
        doubles = _aligned((4, self._width), np.float64)
        singles = _aligned((4, self._width), np.float32)
        return Scratch(
            entries_N=np.empty(capacity, dtype=np.uint32),
            unsorted_N=np.empty(capacity, dtype=np.uint32),
            places_2L=np.empty((2, self._rules.num_levels), dtype=np.int64),
            lengths_N=np.empty(capacity, dtype=np.int32),
            portion_C=_aligned((self._width,), np.int32),
            side_C=doubles[0],
            other_C=doubles[1],
            terms_C=doubles[2],
            best_left_C=doubles[3],
            totals_C=singles[0],
            weights_C=singles[1],
            inverses_C=singles[2],
            shares_C=singles[3],
            centred_NC=_aligned((capacity_narrow, LANES), np.int32),
            state_VC=_aligned((NUM_VECTORS, LANES), np.int32),
            bits_N2=np.zeros((capacity_narrow, 2), dtype=np.uint64),
            sets_S2=np.zeros((NUM_SLOTS, 2), dtype=np.uint64),
            leads_J=np.empty(NUM_LEADERS),
        )


def _first_visits(visits: Visits, count: int) -> Visits:
    shorter = {name: array_V[:count] for name, array_V in visits._asdict().items()}
    # Copied, for an array of another layout would have everything compiled once more.
    shorter["seeds_SVJ"] = visits.seeds_SVJ[:, :count].copy()
    shorter["offset_SV"] = visits.offset_SV[:, :count].copy()
    return Visits(**shorter)


def _aligned(shape: tuple[int, ...], kind: npt.DTypeLike) -> npt.NDArray[Any]:
    """Zeros that start on a cache line, as vectors should."""
    num_bytes = math.prod(shape) * np.dtype(kind).itemsize
    memory = np.zeros(num_bytes + _CACHE_LINE, dtype=np.uint8)
    start = -memory.ctypes.data % _CACHE_LINE
    return memory[start : start + num_bytes].view(kind).reshape(shape)
