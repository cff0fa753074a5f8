"""Parts of images as pictures.

Shape letters: B samples, C channels, H height, W width, M parts, S samples along a side.
"""

import torch
from torch import Tensor
from torch.nn import functional


def crops(x_BCHW: Tensor, boxes_BM4: Tensor) -> Tensor:
    """What lies in boxes, at half the image's height and width, rounded up.

    It is `interpolate` (bilinear, aligning corners) of the slice of an image that is continued with
    0. No gradient flows into the images.

    Parameters
    ----------
    x_BCHW
        Normalized, so 0 is grey.
    boxes_BM4
        int64: top, left, bottom, right.

    Returns
    -------
    Tensor
        (B M, C, H / 2, W / 2), all parts of the first image first.
    """
    height, width = x_BCHW.shape[2:]
    top_X, left_X, bottom_X, right_X = boxes_BM4.flatten(0, 1).unbind(1)
    y_XS = _sample_points(top_X, bottom_X, height)
    x_XS = _sample_points(left_X, right_X, width)
    grid_XSS2 = torch.stack(
        [
            x_XS[:, None, :].expand(-1, y_XS.shape[1], -1),
            y_XS[:, :, None].expand(-1, -1, x_XS.shape[1]),
        ],
        dim=3,
    )
    images = x_BCHW.detach().repeat_interleave(boxes_BM4.shape[1], dim=0)
    return functional.grid_sample(
        images, grid_XSS2, mode="bilinear", padding_mode="zeros", align_corners=False
    )


def _sample_points(start_X: Tensor, end_X: Tensor, length: int) -> Tensor:
    """Pixels from the first to the last of each box, as `grid_sample` counts them."""
    count = -(-length // 2)
    share_S = torch.arange(count, device=start_X.device).double() / max(count - 1, 1)
    pixel_XS = start_X[:, None] + share_S * (end_X - 1 - start_X)[:, None]
    return ((2 * pixel_XS + 1) / length - 1).float()
