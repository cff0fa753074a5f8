"""The push: each prototype becomes the nearest patch of its class (Chen et al., 2019, section 2.2).

Shape letters: B samples, D channels, H height, W width, S cells of a map, N prototypes, P those of
one class, R workers.
"""

import warnings
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from core.data import Split
from core.distributed import rank, sum_over_workers, world_size
from core.methods.protopnet._model import ProtoPNetModel


class Patches(NamedTuple):
    """Where prototypes came from."""

    is_found_N: Tensor
    """bool; False for a prototype whose class has no training image."""

    places_N3: Tensor
    """int64: row of the training set, then row and column of the map's cell."""


def push(model: ProtoPNetModel, train: Split, *, batch_size: int) -> Patches:
    """Copy into each prototype the nearest cell of all training images of its class.

    Images are not augmented and the network is in evaluation mode. Of cells at one distance the
    first counts, in the order of the training set and then row by row. Distances are sums of
    squared differences, not the expanded form that training uses: so a pushed prototype is at 0
    from its cell exactly, and a second push moves nothing.

    Workers share the images; all must call, and all get what one would get.

    Parameters
    ----------
    model
        Its prototypes are changed.
    train
        Images and labels.
    batch_size
        Images at a time.
    """
    search = _Search(model)
    for rows, map_BDHW, labels_B in _maps(model, train, batch_size):
        search.look(rows, map_BDHW, labels_B)
    distance_N, index_N, cell_ND = search.over_workers()
    is_found_N = torch.isfinite(distance_N)
    if not bool(is_found_N.all()):
        lost = torch.unique(model.class_of_N[~is_found_N]).tolist()
        warnings.warn(
            f"Prototypes of classes {lost} stay where they are: the training set has no image of "
            "these classes.",
            stacklevel=2,
        )
    with torch.no_grad():
        model.prototypes_ND[is_found_N] = cell_ND[is_found_N]
    height, width = search.height, search.width
    places = (index_N // (height * width), index_N // width % height, index_N % width)
    return Patches(is_found_N.cpu(), torch.stack(places, dim=1).cpu())


class _Search:
    """The nearest cell so far, for each prototype."""

    height = width = 1

    def __init__(self, model: ProtoPNetModel) -> None:
        self._class_of_N = model.class_of_N
        self._prototypes_ND = model.prototypes_ND.detach()
        device = self._prototypes_ND.device
        num = len(self._prototypes_ND)
        self._distance_N = torch.full((num,), torch.inf, device=device)
        self._index_N = torch.zeros(num, dtype=torch.int64, device=device)
        self._cell_ND = torch.zeros_like(self._prototypes_ND)

    def look(self, rows: np.ndarray, map_BDHW: Tensor, labels_B: Tensor) -> None:
        """Go through the cells of a batch, each class's by its own prototypes."""
        self.height, self.width = map_BDHW.shape[2:]
        cells_BSD = map_BDHW.flatten(2).transpose(1, 2)
        per_image = cells_BSD.shape[1]
        for label in torch.unique(labels_B).tolist():
            is_member_B = labels_B == label
            own_P = torch.nonzero(self._class_of_N == label).flatten()
            cells_SD = cells_BSD[is_member_B].flatten(0, 1)
            found_P, position_P = _first_nearest(cells_SD, self._prototypes_ND[own_P])
            better_P = found_P < self._distance_N[own_P]  # strict, so the first in order stays
            won_P, position_P = own_P[better_P], position_P[better_P]
            members = torch.from_numpy(rows).to(is_member_B.device)[is_member_B]
            self._distance_N[won_P] = found_P[better_P]
            self._cell_ND[won_P] = cells_SD[position_P]
            self._index_N[won_P] = (
                members[position_P // per_image] * per_image + position_P % per_image
            )

    def over_workers(self) -> tuple[Tensor, Tensor, Tensor]:
        """Distance, index and cell of the nearest of all workers, the first in order of equals."""
        distance_RN, index_RN, cell_RND = (
            _of_all(x) for x in (self._distance_N, self._index_N, self._cell_ND)
        )
        nearest_N = distance_RN.amin(0)
        last = torch.iinfo(torch.int64).max
        first_N = index_RN.masked_fill(distance_RN != nearest_N, last).argmin(0)
        each_N = torch.arange(len(nearest_N), device=nearest_N.device)
        return nearest_N, index_RN[first_N, each_N], cell_RND[first_N, each_N]


def _first_nearest(cells_SD: Tensor, prototypes_PD: Tensor) -> tuple[Tensor, Tensor]:
    distance_SP = (cells_SD[:, None] - prototypes_PD).square().sum(2)
    nearest_P = distance_SP.amin(0)
    # argmin does not promise the first of equals.
    position_S1 = torch.arange(len(cells_SD), device=cells_SD.device)[:, None]
    position_SP = torch.where(distance_SP == nearest_P, position_S1, len(cells_SD))
    return nearest_P, position_SP.amin(0)


def _maps(
    model: ProtoPNetModel, split: Split, batch_size: int
) -> Iterator[tuple[np.ndarray, Tensor, Tensor]]:
    device = model.prototypes_ND.device
    rows_N = np.arange(len(split), dtype=np.int64)
    batches = [rows_N[start : start + batch_size] for start in range(0, len(split), batch_size)]
    mine = batches[rank() :: world_size()]
    with torch.no_grad():
        for rows, images_BCHW in zip(mine, split.images.batches(mine), strict=True):
            labels_B = torch.from_numpy(split.labels_N[rows]).to(device)
            yield rows, model.patches(images_BCHW.to(device)), labels_B


def _of_all(mine: Tensor) -> Tensor:
    """The tensors of all workers, one below the other."""
    rows = torch.zeros((world_size(), *mine.shape), dtype=mine.dtype, device=mine.device)
    rows[rank()] = mine
    return sum_over_workers(rows)
