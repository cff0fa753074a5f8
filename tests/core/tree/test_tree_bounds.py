"""What the compiled grower passes over can indeed not win."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tree_problems import entropy, problems

from core.tree._gain import Criterion, split_gains
from core.tree._samples import as_samples
from core.tree._settings import Settings
from core.tree.compiled._bounds import even_bound, fewest_rows, is_below, largest_divergence
from core.tree.compiled._grower import Grower
from core.tree.compiled._level import raise_children
from core.tree.compiled._lists import log_sides, make_list, part_lists, rank_of, row_of
from core.tree.compiled._records import NO_SLOT

quick = settings(deadline=None, max_examples=60)


def rows_of_labels(seed, num_rows, num_classes, concentration):
    """Units of soft labels; small concentrations give nearly pure rows."""
    generator = np.random.default_rng(seed)
    labels = generator.dirichlet(np.full(num_classes, concentration), size=num_rows)
    labels[:, 0] += generator.choice([0.0, 10.0, 1e6])  # a class that has nearly everything
    return np.rint(labels / labels.sum(axis=1, keepdims=True) * 2**24)


@quick
@given(
    st.integers(0, 2**32 - 1),
    st.integers(2, 120),
    st.integers(1, 40),
    st.sampled_from([0.01, 0.3, 5.0, 1e4]),
    st.data(),
)
def test_no_gain_exceeds_its_bounds(seed, num_rows, num_classes, concentration, data):
    units = rows_of_labels(seed, num_rows, num_classes, concentration)
    num_side = data.draw(st.integers(1, num_rows - 1))
    side, total = units[:num_side].sum(axis=0), units.sum(axis=0)
    gain = float(
        split_gains(side[None], np.array([num_side]), total, num_rows, Criterion.INFORMATION_GAIN)[
            0
        ]
    )
    share = side.sum() / total.sum()
    with np.errstate(divide="ignore", invalid="ignore"):
        weights = np.nan_to_num(1 / (total * total.sum()), posinf=0).astype(np.float32)
    # In single precision, as the grower has it.
    off = np.float32(side) - np.float32(share) * np.float32(total)
    squares = float((weights * off * off).sum(dtype=np.float32))
    assert not is_below(squares, share, gain)
    r = side[total > 0] / total[total > 0]
    assert gain <= even_bound(squares, share, (r * (1 - r)).min())
    divergence = max(relative_entropy(row / row.sum(), total / total.sum()) for row in units)
    for divergence_or_more in (divergence, 100.0):
        fewest = fewest_rows(gain, num_rows, divergence_or_more)
        assert min(num_side, num_rows - num_side) >= fewest


def relative_entropy(p, q):
    """In bits."""
    has = p > 0
    return float((p[has] * np.log2(p[has] / q[has])).sum())


@pytest.mark.parametrize("q", [1e-6, 1e-3, 0.05, 0.2, 0.4, 0.5])
def test_the_other_side_diverges_less_than_fewest_rows_takes_it_to(q):
    r = np.concatenate([np.linspace(1e-9, 1 - 1e-9, 9999), q * np.linspace(0.5, 1.5, 999)])
    side = r * np.log(r / q) - r + q
    other = (1 - r) * np.log((1 - r) / (1 - q)) + r - q
    assert (other <= side * (1 - q) / (-np.log(q) - 1 + q) + 1e-12).all()


@quick
@given(st.integers(0, 2**32 - 1), st.integers(1, 50), st.sampled_from([0.01, 1.0, 1e4]))
def test_largest_divergence_of_rows(seed, num_rows, concentration):
    units = rows_of_labels(seed, num_rows, 5, concentration)
    levels = np.zeros((num_rows, 1), dtype=np.uint8)
    rules = Settings.of(num_levels=2, max_depth=1, criterion="information_gain", min_gain=0.0)
    grower = Grower(rules, num_features=1, num_classes=5, grows_on=False)
    grower.take(as_samples(levels, units / 2**24, rules))
    total = units.sum(axis=0)
    sums = np.zeros(grower._table.columns_NC.shape[1])
    sums[:5], sums[5] = total, total.sum()
    found = largest_divergence(grower._table, np.arange(num_rows), sums, 5, np.empty_like(sums))
    expected = max(relative_entropy(row / row.sum(), total / total.sum()) for row in units)
    np.testing.assert_allclose(found, expected, atol=1e-9)


@given(st.floats(0, 1), st.integers(2, 10_000))
def test_fewest_rows_of_a_gain(gain, count):
    fewest = fewest_rows(gain, count, 100.0)
    # One row less on a side: a coin of that share, rows being a little unlike, has too little.
    share = min(0.5, (fewest - 1) / count * 1.002)
    assert entropy(np.array([share, 1 - share])) <= gain + 1e-9


@quick
@given(problems, st.data())
def test_lists_hold_the_rows_in_the_order_of_sides(problem, data):
    levels, _, num_levels = problem
    column = levels[:, 0].astype(np.uint8)
    count = len(column)
    reference = data.draw(st.integers(0, num_levels - 1))
    entries, unsorted = np.empty((2, count), dtype=np.uint32)
    in_lists = np.zeros(count, dtype=np.int32)
    length = make_list(
        column,
        np.arange(count),
        reference,
        num_levels,
        entries,
        unsorted,
        np.empty((2, num_levels), int),
        in_lists,
    )
    assert in_lists.tolist() == (column != reference).tolist()
    rows = [row_of(entry) for entry in entries[:length]]
    order = [*range(num_levels - 1, reference, -1), *range(reference)]
    assert rows == [row for level in order for row in np.flatnonzero(column == level)]
    assert [order[rank_of(entry)] for entry in entries[:length]] == column[rows].tolist()

    sides = np.empty(num_levels, dtype=np.float32)
    log_sides(entries, 0, length, count, reference, sides)
    for level in set(column.tolist()):
        fewer = min((column <= level).sum(), (column >= level).sum())
        np.testing.assert_allclose(sides[level], np.log2(fewer + 1), rtol=1e-6)

    goes_left = np.array(data.draw(st.lists(st.booleans(), min_size=count, max_size=count)))
    parted = np.empty(2 * count + 2, dtype=np.uint32)
    lengths = np.array([length], dtype=np.int32)
    left, right = np.empty((2, 1), dtype=np.int32)
    part_lists(entries, 0, lengths, goes_left.astype(np.uint8), parted, 0, left, count + 1, right)
    assert [row_of(entry) for entry in parted[: left[0]]] == [r for r in rows if goes_left[r]]
    of_right = parted[count + 1 : count + 1 + right[0]]
    assert [row_of(entry) for entry in of_right] == [r for r in rows if not goes_left[r]]


@quick
@given(st.integers(0, 2**32 - 1), st.sampled_from([0.05, 1.0, 100.0]), st.integers(1, 30))
def test_bounds_of_features_hold_as_rows_arrive(seed, concentration, num_new):
    # 260 rows, so that the root keeps bounds, and then some more.
    generator = np.random.default_rng(seed)
    num_old, num_classes, num_levels = 260, 6, 4
    count = num_old + num_new
    levels = generator.integers(0, num_levels, size=(count, 5))
    labels = generator.dirichlet(np.full(num_classes, concentration), size=count)
    rules = Settings.of(
        num_levels=num_levels, max_depth=1, criterion="information_gain", min_gain=0.0
    )
    samples = as_samples(levels, labels, rules)
    grower = Grower(rules, num_features=5, num_classes=num_classes, grows_on=True)
    grower.take(as_samples(levels[:num_old], labels[:num_old], rules))
    grower.nodes()
    grower.take(as_samples(levels[num_old:], labels[num_old:], rules))
    table, places = grower._table, grower._places
    slot = places.slot_P[0]
    assert slot != NO_SLOT
    units = samples.units_NK.astype(np.float64)
    total = units.sum(axis=0)
    sums = np.zeros(table.columns_NC.shape[1])
    sums[:num_classes], sums[num_classes] = total, total.sum()
    children = places.children_BD[slot]
    before = children.copy()
    raise_children(
        table,
        children,
        places.sides_BDL[slot],
        np.arange(count),
        num_old,
        sums,
        num_classes,
        0,
        5,
        np.empty_like(sums),
    )
    assert (children >= before).all()
    own = table.own_N[:count].sum()
    f = total.sum() * entropy(total / total.sum()) - own
    for feature in range(5):
        gains = [
            split_gains(
                units[goes_left].sum(axis=0)[None],
                np.array([goes_left.sum()]),
                total,
                count,
                Criterion.INFORMATION_GAIN,
            )[0]
            for threshold in range(num_levels - 1)
            for goes_left in [levels[:, feature] <= threshold]
            if 0 < goes_left.sum() < count
        ]
        bound = (f - children[feature]) / total.sum()
        assert max(gains) <= bound + 1e-7
