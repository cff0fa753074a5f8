"""A test split of a given size that keeps the classes' shares and the groups whole.

Shape letters: N rows.
"""

from fractions import Fraction

import numpy as np
import numpy.typing as npt

from core.errors import ConfigError


def smaller_part(num_rows: int) -> int:
    """Rows of the smaller part of a 70/30 cut: 30 %, rounded up.

    This gives the published 11197 of AwA2's 37322 images and 794 of aYahoo's 2644 objects.
    """
    return -(-3 * num_rows // 10)


def require_seed(name: str, seed: object) -> None:
    if isinstance(seed, bool) or not isinstance(seed, int) or seed < 0:
        raise ConfigError(f"`{name}` must be a whole number of at least 0, but got {seed!r}.")


def stratified_group_holdout(
    labels_N: npt.NDArray[np.int64], groups_N: npt.NDArray[np.int64], count: int, *, seed: int
) -> npt.NDArray[np.bool_]:
    """Hold out `count` rows, of each class its share, and no group in part.

    A class's share, count * n / N, is rounded so that the shares sum to `count` (largest
    remainders, ties to the lower label), but leaves one row at least. Its groups are taken in
    random order, those that no longer fit passed over. With groups of one row, exactly `count`
    rows are held out, unless the classes cannot spare them; otherwise at most that.

    Parameters
    ----------
    labels_N
        Class of each row. A group counts with the class of its first row.
    groups_N
        Group of each row. `np.arange(N)` holds out rows one by one.
    count
        Rows to hold out, in [0, N].
    seed
        Seed of the choice. The order of a class's groups does not depend on other classes.

    Returns
    -------
    npt.NDArray[np.bool_]
        Which rows are held out, of shape (N,).

    Raises
    ------
    ConfigError
        If `count` is outside [0, N], or if `seed` is negative.

    Examples
    --------
    >>> labels_N = np.repeat([0, 1], [6, 4])
    >>> int(stratified_group_holdout(labels_N, np.arange(10), 3, seed=0).sum())
    3
    """
    if not 0 <= count <= len(labels_N):
        raise ConfigError(f"`count` must lie in [0, {len(labels_N)}], but got {count}.")
    require_seed("seed", seed)
    _, first_rows_G, group_N = np.unique(groups_N, return_index=True, return_inverse=True)
    sizes_G = np.bincount(group_N)
    # Groups are numbered by where they first occur, so that their names cannot move the cut.
    by_occurrence_G = np.argsort(first_rows_G)
    labels_G = labels_N[first_rows_G]
    is_out_G = np.zeros(len(sizes_G), dtype=np.bool_)
    of_class = {
        int(label): by_occurrence_G[labels_G[by_occurrence_G] == label]
        for label in np.unique(labels_G)
    }
    rows_of_class = {label: int(sizes_G[groups].sum()) for label, groups in of_class.items()}
    for label, quota in _shares(rows_of_class, count).items():
        for group in np.random.default_rng([seed, label]).permutation(of_class[label]):
            if sizes_G[group] <= quota:
                is_out_G[group] = True
                quota -= int(sizes_G[group])
    return is_out_G[group_N]


def _shares(sizes: dict[int, int], count: int) -> dict[int, int]:
    total = sum(sizes.values())
    exact = {label: Fraction(count * size, total) for label, size in sizes.items()}
    shares = {label: min(int(exact[label]), sizes[label] - 1) for label in sizes}
    by_remainder = sorted(sizes, key=lambda label: (shares[label] - exact[label], label))
    while (left := count - sum(shares.values())) > 0:
        room = [label for label in by_remainder if shares[label] < sizes[label] - 1]
        if not room:  # fewer rows can be spared than asked for: every class is down to one
            break
        for label in room[:left]:
            shares[label] += 1
    return shares
