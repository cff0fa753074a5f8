"""Prototypes, how far they are from the cells of a map, and what a last layer makes of it.

Shape letters: B samples, D channels, H height, W width, N prototypes, K classes.
"""

import torch
from torch import Tensor
from torch.nn import functional

_EPSILON = 1e-4


def squared_distances(map_BDHW: Tensor, prototypes_ND: Tensor) -> Tensor:
    """||z - p||^2 of each cell z and each prototype p (Chen et al., 2019, section 2.1).

    By ||z||^2 - 2 z p + ||p||^2, so that no difference is held in memory. Rounding can take that
    below 0, where it is put to 0.

    Returns
    -------
    Tensor
        (B, N, H, W), of the map's dtype.

    Examples
    --------
    >>> squared_distances(torch.zeros(1, 2, 1, 1), torch.tensor([[3.0, 4.0]])).item()
    25.0
    """
    of_cells_B1HW = map_BDHW.square().sum(1, keepdim=True)
    products_BNHW = functional.conv2d(map_BDHW, prototypes_ND[:, :, None, None])
    of_prototypes_N11 = prototypes_ND.square().sum(1)[:, None, None]
    return (of_cells_B1HW - 2 * products_BNHW + of_prototypes_N11).relu()


def nearest(map_BDHW: Tensor, prototypes_ND: Tensor) -> Tensor:
    """(B, N) Squared distance of each prototype to the nearest cell of each map."""
    return squared_distances(map_BDHW, prototypes_ND).flatten(2).amin(2)


def similarity(distances: Tensor) -> Tensor:
    """log((d + 1) / (d + 1e-4)): 9.21 at a distance of 0, and falling to 0.

    Parameters
    ----------
    distances
        Squared distances of any shape, not negative.
    """
    return ((distances + 1) / (distances + _EPSILON)).log()


def first_last_layer(class_of_N: Tensor, num_classes: int) -> Tensor:
    """(K, N) Weights that the last layer begins with.

    -0.5 to the classes that a prototype does not belong to, as published. To its own, (n / K) / m
    with m the prototypes of the class, where the code has 1: classes with one prototype more than
    others would have a head start.
    """
    is_own_KN = own_classes(class_of_N, num_classes)
    own_N = len(class_of_N) / num_classes / class_of_N.bincount(minlength=num_classes)[class_of_N]
    return torch.where(is_own_KN, own_N.float(), torch.tensor(-0.5, device=class_of_N.device))


def own_classes(class_of_N: Tensor, num_classes: int) -> Tensor:
    """(K, N) Which prototypes are a class's own, bool."""
    return torch.arange(num_classes, device=class_of_N.device)[:, None] == class_of_N
