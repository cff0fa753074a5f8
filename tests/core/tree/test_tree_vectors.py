"""The loops over columns in vectors, against numpy."""

import numpy as np
import pytest

from core.tree.compiled._bounds import slack_of_singles
from core.tree.compiled._compile import compiled
from core.tree.compiled._lists import ROW_BITS, ROW_MASK
from core.tree.compiled._llvm import LANES
from core.tree.compiled._vectors import (
    add_rows,
    centred_squares_of_doubles,
    centred_squares_of_ints,
    gain_by_entropy_of_doubles,
    gain_by_entropy_of_ints,
    least_variance_of_doubles,
    least_variance_of_ints,
)

WIDTHS = [1, 2, 3, 4, 5, 8, 13, 200]
"""In vectors, with and without a rest of the groups that loops take at once."""


@compiled
def add(sums_C, columns_NC, entries_N, start, stop, anew):
    num_vectors = sums_C.size // LANES
    add_rows(
        sums_C.ctypes.data,
        columns_NC.ctypes.data,
        num_vectors,
        entries_N.ctypes.data,
        start,
        stop,
        anew,
    )


@compiled
def squares(sides_C, totals_C, weights_C, share, of_ints):
    arguments = (sides_C.ctypes.data, totals_C.ctypes.data, weights_C.ctypes.data)
    num_vectors = sides_C.size // LANES
    if of_ints:
        return centred_squares_of_ints(*arguments, np.float32(share), num_vectors)
    return centred_squares_of_doubles(*arguments, np.float32(share), num_vectors)


@compiled
def gain(sides_C, inverses_C, shares_C, of_ints):
    arguments = (sides_C.ctypes.data, inverses_C.ctypes.data, shares_C.ctypes.data)
    num_vectors = sides_C.size // LANES
    if of_ints:
        return gain_by_entropy_of_ints(*arguments, num_vectors)
    return gain_by_entropy_of_doubles(*arguments, num_vectors)


@compiled
def variance(sides_C, inverses_C, of_ints):
    num_vectors = sides_C.size // LANES
    if of_ints:
        return least_variance_of_ints(sides_C.ctypes.data, inverses_C.ctypes.data, num_vectors)
    return least_variance_of_doubles(sides_C.ctypes.data, inverses_C.ctypes.data, num_vectors)


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("rows", [0, 1, 2, 7])
@pytest.mark.parametrize("anew", [False, True])
def test_adds_the_rows_of_entries(width, rows, anew):
    generator = np.random.default_rng(width)
    columns = generator.integers(0, 2**24, size=(20, width * LANES), dtype=np.int32)
    # What stands above the bits of the row is no part of it.
    entries = generator.integers(0, 20, size=9, dtype=np.uint32) | np.uint32(15 << ROW_BITS)
    sums = generator.integers(0, 2**24, size=width * LANES, dtype=np.int32)
    expected = columns[entries[1 : 1 + rows] & ROW_MASK].sum(axis=0)
    if not anew:
        expected += sums
    add(sums, columns, entries, 1, 1 + rows, anew)
    np.testing.assert_array_equal(sums, expected)


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("kind", [np.int32, np.float64])
def test_sums_centred_squares(width, kind):
    generator = np.random.default_rng(width)
    sides = generator.integers(0, 2**30, size=width * LANES).astype(kind)
    totals = (sides + generator.integers(0, 2**30, size=sides.size)).astype(np.float32)
    weights = generator.random(sides.size, dtype=np.float32)
    expected = (weights * (sides - 0.3 * totals.astype(np.float64)) ** 2).sum()
    found = squares(sides, totals, weights, 0.3, kind is np.int32)
    np.testing.assert_allclose(found, expected, rtol=1e-5)


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("kind", [np.int32, np.float64])
@pytest.mark.parametrize("concentration", [0.01, 1.0, 1e6])
def test_gain_by_entropy_errs_by_less_than_its_slack(width, kind, concentration):
    generator = np.random.default_rng(width)
    size = width * LANES
    for _ in range(20):
        totals = np.rint(generator.dirichlet(np.full(size, concentration)) * 2**30)
        totals[0] = totals[1:].sum()  # the column of the mass
        sides = np.rint(totals * generator.choice([0.0, 1.0, 0.5, 1e-6, 0.3], size=size))
        sides[0] = sides[1:].sum()
        with np.errstate(divide="ignore", invalid="ignore"):
            inverses = np.nan_to_num(1 / totals, posinf=0)
            r = sides * inverses
            logs = np.nan_to_num(r * np.log2(r)) + np.nan_to_num((1 - r) * np.log2(1 - r))
        shares = totals / totals[0]
        shares[0] = -1
        found = gain(
            sides.astype(kind),
            inverses.astype(np.float32),
            shares.astype(np.float32),
            kind is np.int32,
        )
        assert abs(found - (shares * logs).sum()) < slack_of_singles(size) / 2


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("kind", [np.int32, np.float64])
@pytest.mark.parametrize("near", [0.0, 0.3, 0.5, 0.9])
def test_least_variance_passes_over_columns_without_mass(width, kind, near):
    generator = np.random.default_rng(width)
    size = width * LANES
    totals = generator.integers(1, 2**30, size=size)
    sides = np.rint(totals * generator.uniform(near, 1, size=size)).astype(kind)
    inverses = (1 / totals).astype(np.float32)
    empty = generator.random(size) < 0.3
    sides[empty], inverses[empty] = 0, 0
    r = np.float64(sides) / totals
    expected = min(0.25, (r * (1 - r))[~empty].min(initial=0.25))
    found = variance(sides, inverses, kind is np.int32)
    np.testing.assert_allclose(found, expected, rtol=2.0**-12, atol=2.0**-20)
