"""One function over all images of a split, by all workers.

Shape letters: B samples of a batch, M samples of the split, N numbers a sample.
"""

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from core.data import Split
from core.distributed import rank, sum_over_workers, world_size


def over_split(
    compute: Callable[[Tensor], Tensor],
    split: Split,
    *,
    width: int,
    batch_size: int,
    device: torch.device,
) -> Tensor:
    """(M, N) What a function says of each image, not augmented and without gradients.

    Workers share the images; all must call, and all get what one would get.

    Parameters
    ----------
    compute
        From images (B, C, H, W) on the device to numbers (B, N), float32. A network in it is in
        evaluation mode, so that what an image gets does not depend on its batch.
    split
        Its images, in their order.
    width
        N.
    batch_size
        Images at a time.
    device
        Where to compute, and where the result is.
    """
    numbers_MN = torch.zeros(len(split), width, device=device)
    rows_M = np.arange(len(split), dtype=np.int64)
    batches = [rows_M[start : start + batch_size] for start in range(0, len(split), batch_size)]
    mine = batches[rank() :: world_size()]
    with torch.no_grad():
        for rows, images_BCHW in zip(mine, split.images.batches(mine), strict=True):
            numbers_MN[int(rows[0]) : int(rows[-1]) + 1] = compute(images_BCHW.to(device))
    # All workers but one have 0 in a row, and adding that changes no bit.
    return sum_over_workers(numbers_MN)
