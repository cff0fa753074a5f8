"""The reference grower: numpy, one node at a time, written to be read.

Shape letters: N samples, D features, F features of a block, T thresholds, K classes.
"""

import numpy as np
import numpy.typing as npt

from core.tree._gain import Floats, split_gains
from core.tree._nodes import Nodes
from core.tree._samples import Samples
from core.tree._settings import Settings

_BLOCK_BYTES = 2**25
"""About the memory that one block of features may take."""


def grow(samples: Samples, settings: Settings) -> Nodes:
    """Grow a tree breadth-first. See `core.tree.fit_tree` for the rules."""
    labels_NK = samples.units_NK.astype(np.float64)
    rows_of = [np.arange(len(labels_NK))]
    depth_of = [0]
    tests = []
    for node, rows in enumerate(rows_of):
        split = None
        if depth_of[node] < settings.max_depth:
            split = _best_split(samples, labels_NK, rows, settings.min_gain)
        if split is None:
            tests.append((0, 0, node, node))
            continue
        feature, threshold = split
        goes_left = samples.levels_ND[rows, feature] <= threshold
        tests.append((feature, threshold, len(rows_of), len(rows_of) + 1))
        # The loop goes on over the children appended here.
        rows_of += [rows[goes_left], rows[~goes_left]]
        depth_of += [depth_of[node] + 1] * 2
    feature_M, threshold_M, left_M, right_M = np.array(tests, dtype=np.int32).T.copy()
    return Nodes(
        feature_M=feature_M,
        threshold_M=threshold_M,
        left_M=left_M,
        right_M=right_M,
        num_samples_M=np.array([len(rows) for rows in rows_of], dtype=np.int64),
        sums_MK=np.stack([labels_NK[rows].sum(axis=0) for rows in rows_of]),
    )


def _best_split(
    samples: Samples, labels_NK: Floats, rows: npt.NDArray[np.intp], min_gain: float
) -> tuple[int, int] | None:
    """The (feature, threshold) of the largest gain above `min_gain`; the first one in a tie."""
    best_gain, best = min_gain, None
    labels = labels_NK[rows]
    num_classes, num_thresholds = labels.shape[1], samples.num_levels - 1
    sums_K = labels.sum(axis=0)
    bytes_per_feature = 8 * (len(rows) + 8 * num_thresholds * num_classes)
    block = max(1, _BLOCK_BYTES // bytes_per_feature)
    for start in range(0, samples.levels_ND.shape[1], block):
        levels_NF = samples.levels_ND[rows, start : start + block]
        left_sums_FTK, left_counts_FT = _left_sides(levels_NF, labels, num_thresholds)
        legal_FT = (left_counts_FT > 0) & (left_counts_FT < len(rows))
        if not legal_FT.any():
            continue
        gains_S = split_gains(
            left_sums_FTK[legal_FT], left_counts_FT[legal_FT], sums_K, len(rows), samples.criterion
        )
        # `argmax` and `argwhere` take the lowest feature first, then the lowest threshold.
        first = int(gains_S.argmax())
        if gains_S[first] > best_gain:
            feature, threshold = np.argwhere(legal_FT)[first]
            best_gain, best = gains_S[first], (start + int(feature), int(threshold))
    return best


def _left_sides(
    levels_NF: npt.NDArray[np.uint8], labels_NK: Floats, num_thresholds: int
) -> tuple[Floats, npt.NDArray[np.int64]]:
    """Label sums (F, T, K) and sample counts (F, T) of the left side of each split."""
    num_features = levels_NF.shape[1]
    sums_FTK = np.empty((num_features, num_thresholds, labels_NK.shape[1]))
    counts_FT = np.empty((num_features, num_thresholds), dtype=np.int64)
    for threshold in range(num_thresholds):
        goes_left_NF = levels_NF <= threshold
        counts_FT[:, threshold] = goes_left_NF.sum(axis=0)
        sums_FTK[:, threshold] = goes_left_NF.T.astype(np.float64) @ labels_NK
    return sums_FTK, counts_FT
