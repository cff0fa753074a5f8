"""Images cut into square pieces that change places.

Shape letters: B samples, C channels, H height, W width, P pieces, I and J their rows and columns.
"""

import math

import torch
from torch import Tensor

from core.errors import DataError


def permute_pieces(images_BCHW: Tensor, order_P: Tensor) -> Tensor:
    """Cut every image of a batch into a square grid and put its pieces in another order.

    Parameters
    ----------
    images_BCHW
        Of any dtype.
    order_P
        A permutation of 0 to P - 1, where P is a square; int64. Place i, counted by rows, gets
        piece ``order_P[i]``. All images of the batch share it, as in PMG.

    Returns
    -------
    Tensor
        Same shape and dtype.

    Raises
    ------
    DataError
        If P is no square, `order_P` no permutation, or a side of the images not divisible.

    Examples
    --------
    >>> image = torch.arange(4).reshape(1, 1, 2, 2)
    >>> permute_pieces(image, torch.tensor([3, 2, 1, 0]))
    tensor([[[[3, 2],
              [1, 0]]]])
    """
    batch, channels, height, width = images_BCHW.shape
    side = math.isqrt(len(order_P))
    if side == 0 or side * side != len(order_P):
        raise DataError(
            f"A jigsaw's pieces must be a square number such as 4, 16 or 64, but are "
            f"{len(order_P)}."
        )
    if not torch.equal(order_P.sort().values.cpu(), torch.arange(len(order_P))):
        raise DataError(
            f"`order_P` must hold each of 0 to {len(order_P) - 1} once, but is {order_P.tolist()}."
        )
    if height % side or width % side:
        raise DataError(
            f"Images of {height} x {width} pixels cannot be cut into {side} x {side} equal pieces: "
            f"both sides must be multiples of {side}."
        )
    grid_BCIHJW = images_BCHW.reshape(batch, channels, side, height // side, side, width // side)
    pieces_PBCHW = grid_BCIHJW.permute(2, 4, 0, 1, 3, 5).flatten(0, 1)
    moved_IJBCHW = pieces_PBCHW[order_P.to(images_BCHW.device)].reshape(
        side, side, batch, channels, height // side, width // side
    )
    return moved_IJBCHW.permute(2, 3, 0, 4, 1, 5).reshape(batch, channels, height, width)
