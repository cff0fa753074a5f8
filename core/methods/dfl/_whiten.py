"""First filters that tell classes apart.

Shape letters: P patches, M filters, C channels.
"""

import numpy as np
import numpy.typing as npt

_RIDGE = 0.1

Vectors = npt.NDArray[np.float32]
Classes = npt.NDArray[np.int64]


def whitened(centers_MC: Vectors, patches_PC: Vectors, class_P: Classes) -> Vectors:
    """(S + 0.1 tr(S) / C I)^-1 (centre - mean), as in linear discriminant analysis.

    S is the covariance of patches about the mean of their class, pooled over the classes, and the
    mean that of all patches. The paper whitens too, as we recall it; the ridge is ours.
    """
    patches = patches_PC.astype(np.float64)
    _, index_P = np.unique(class_P, return_inverse=True)
    counts = np.bincount(index_P)
    sums = np.zeros((len(counts), patches.shape[1]))
    np.add.at(sums, index_P, patches)
    residuals = patches - (sums / counts[:, None])[index_P]
    covariance = residuals.T @ residuals / len(patches)
    size = len(covariance)
    spread = np.trace(covariance)
    # Where the patches of each class are all alike, every direction counts the same.
    ridge = _RIDGE * spread / size if spread else 1.0
    distances = (centers_MC - patches.mean(0)).T
    solved = np.linalg.solve(covariance + ridge * np.eye(size), distances)
    return np.asarray(solved.T, dtype=np.float32)


def unit_rows(x_MC: Vectors) -> Vectors:
    """Rows of length 1; one of 0 stays."""
    norm_M1 = np.linalg.norm(x_MC, axis=1, keepdims=True)
    return np.asarray(x_MC / np.where(norm_M1 > 0, norm_M1, 1), dtype=np.float32)


def cross_class_cosine(x_MC: Vectors, class_M: Classes) -> float | None:
    """Mean cosine between filters of different classes; None where all are of one."""
    cosine_MM = unit_rows(x_MC) @ unit_rows(x_MC).T
    is_across_MM = class_M[:, None] != class_M
    return float(cosine_MM[is_across_MM].mean()) if is_across_MM.any() else None
