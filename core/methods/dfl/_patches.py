"""Where the bank begins: at what the trunk responds to most in images of each class.

Shape letters: B samples, C channels, H height, W width, L = H W cells, P patches, M filters that
are given, K classes.
"""

from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional

from core.data import Split
from core.errors import DataError

Vectors = npt.NDArray[np.float32]

PEAKS = 5
"""Of an image, at most."""

_RESTARTS = 4


class FirstFilters(NamedTuple):
    """Filters before they are whitened, and what whitening needs."""

    centers_MC: Vectors
    filter_M: npt.NDArray[np.int64]
    """Place of each in the bank."""

    patches_PC: Vectors
    class_P: npt.NDArray[np.int64]


def first_filters(
    first_map: Callable[[Tensor], Tensor],
    train: Split,
    class_of_filter: npt.NDArray[np.int64],
    *,
    batch_size: int,
    seed: int,
) -> FirstFilters:
    """Cluster the peaks of each class into as many centres as it has filters.

    A peak is a cell whose vector is as long as the longest of the 3 x 3 around it; an image gives
    its five longest, brought to length 1. A class with too few different peaks takes them all, and
    random other cells of its images; one with too few different cells leaves filters without a
    centre.

    The paper's are, as we recall it, clusters of such peaks as well; the form is ours. No public
    code has them: one leaves them out, one makes them and loses them.

    Parameters
    ----------
    first_map
        From a batch of images to the map (B, C, H, W), in evaluation mode.
    train
        Its images as they are, without augmentation.
    class_of_filter
        int64.
    batch_size
        Images at a time.
    seed
        Of k-means and of the random cells.

    Raises
    ------
    DataError
        If the map is 0 for all images, so that no cell says anything.
    """
    # It takes a second to import, which filters that begin at random need not wait for.
    from sklearn.cluster import KMeans

    peaks, labels = [], []
    for rows, map_BCHW in _maps(first_map, train, np.arange(len(train)), batch_size):
        is_peak_BL = peaks_of(map_BCHW)
        peaks.append(_units_BLC(map_BCHW)[is_peak_BL].cpu().numpy())
        labels.append(np.repeat(train.labels_N[rows], is_peak_BL.sum(1).cpu().numpy()))
    patches_PC, class_P = np.concatenate(peaks), np.concatenate(labels)
    if not len(patches_PC):
        raise DataError(
            "The trunk's map must not be 0 for all training images where filters begin at patches, "
            "but it is: use other first weights, or `dfl.first_filters='random'`."
        )
    centers, places = [], []
    for label in np.unique(class_of_filter):
        own = np.flatnonzero(class_of_filter == label)
        distinct_PC = np.unique(patches_PC[class_P == label], axis=0)
        if len(distinct_PC) >= len(own):
            clusters = KMeans(len(own), n_init=_RESTARTS, random_state=seed)
            found_MC = clusters.fit(patches_PC[class_P == label]).cluster_centers_
        else:
            rows = np.flatnonzero(train.labels_N == label)
            others = _other_cells(first_map, train, rows, batch_size)
            drawn = np.random.default_rng([seed, label]).permutation(len(others))
            found_MC = np.concatenate([distinct_PC, *(others[i : i + 1] for i in drawn)])
            found_MC = found_MC[: len(own)]
        centers.append(found_MC)
        places.append(own[: len(found_MC)])
    return FirstFilters(
        np.concatenate(centers).astype(np.float32), np.concatenate(places), patches_PC, class_P
    )


def peaks_of(map_BCHW: Tensor) -> Tensor:
    """(B, L) Whether a cell is one of its image's peaks. A vector of length 0 is none."""
    energy_BHW = map_BCHW.norm(dim=1)
    highest_BHW = functional.max_pool2d(energy_BHW[:, None], 3, 1, 1)[:, 0]
    is_peak_BHW = (energy_BHW == highest_BHW) & (energy_BHW > 0)
    height_BL = torch.where(is_peak_BHW, energy_BHW, 0).flatten(1)
    found = height_BL.topk(min(PEAKS, height_BL.shape[1]), dim=1)
    return torch.zeros_like(height_BL, dtype=torch.bool).scatter(1, found.indices, found.values > 0)


def _maps(
    first_map: Callable[[Tensor], Tensor],
    train: Split,
    rows: npt.NDArray[np.int64],
    batch_size: int,
) -> Iterator[tuple[npt.NDArray[np.int64], Tensor]]:
    batches = [rows[start : start + batch_size] for start in range(0, len(rows), batch_size)]
    for batch, images_BCHW in zip(batches, train.images.batches(batches), strict=True):
        yield batch, first_map(images_BCHW)


def _other_cells(
    first_map: Callable[[Tensor], Tensor],
    train: Split,
    rows: npt.NDArray[np.int64],
    batch_size: int,
) -> Vectors:
    """Different cells of some images that are no peaks."""
    cells = []
    for _, map_BCHW in _maps(first_map, train, rows, batch_size):
        has_length_BL = map_BCHW.norm(dim=1).flatten(1) > 0
        is_other_BL = has_length_BL & ~peaks_of(map_BCHW)
        cells.append(_units_BLC(map_BCHW)[is_other_BL].cpu().numpy())
    return np.unique(np.concatenate(cells), axis=0) if cells else np.zeros((0, 0), np.float32)


def _units_BLC(map_BCHW: Tensor) -> Tensor:
    return functional.normalize(map_BCHW.flatten(2).transpose(1, 2), dim=2)
