"""What of an image an attention map picks out: a box to look at closely, and pixels to hide.

Shape letters: B samples, M attention maps, C channels, H height, W width.
"""

import math

import torch
from torch import Tensor
from torch.nn import functional

_SMALLEST_SIDE = 0.25
"""Of a crop, as a share of the image's."""


def draw_maps(attention_BMHW: Tensor, uniform_B: Tensor) -> Tensor:
    """Draw an attention map for each image, with probability proportional to its root mean.

    Parameters
    ----------
    attention_BMHW
        Never negative.
    uniform_B
        Numbers in [0, 1), one a draw.

    Returns
    -------
    Tensor
        (B, H, W). Where all maps are 0, all are equally probable.
    """
    weights_BM = attention_BMHW.mean((2, 3)).sqrt().double()
    is_dead_B1 = weights_BM.sum(1, keepdim=True) == 0
    weights_BM = torch.where(is_dead_B1, 1.0, weights_BM)
    edges_BM = weights_BM.cumsum(1)
    drawn_B = (edges_BM <= uniform_B[:, None].double() * edges_BM[:, -1:]).sum(1)
    # A map of weight 0 at the end must not be drawn by rounding.
    last_B = (weights_BM > 0).long().cumsum(1).argmax(1)
    rows_B = torch.arange(len(drawn_B), device=drawn_B.device)
    return attention_BMHW[rows_B, torch.minimum(drawn_B, last_B)]


def on_image(attention_BHW: Tensor, size: tuple[int, int]) -> Tensor:
    """(B, H, W) A map at the size of the image, bilinear."""
    return functional.interpolate(
        attention_BHW[:, None], size=size, mode="bilinear", align_corners=False
    )[:, 0]


def boxes_of(attention_BHW: Tensor, threshold_B: Tensor, *, padding: float) -> Tensor:
    """The box around the pixels where attention is at least a share of its largest.

    The box grows by a share of the image's side on each side, outwards to whole pixels, and ends at
    the border (the official code goes beyond it). One that is smaller than a quarter of a side then
    grows to that about its middle. A map that is 0 everywhere has the whole image.

    Parameters
    ----------
    attention_BHW
        At the image's size, never negative. The largest is that of this map: one taken before
        resizing can be higher than all of it, and would leave no pixel.
    threshold_B
        Share of the largest.
    padding
        Share of a side.

    Returns
    -------
    Tensor
        (B, 4) int64: top, bottom, left, right; bottom and right lie outside.
    """
    mask_BHW = attention_BHW >= threshold_B[:, None, None] * attention_BHW.amax((1, 2), True)
    rows_B2 = _extent(mask_BHW.any(2), padding)
    columns_B2 = _extent(mask_BHW.any(1), padding)
    return torch.cat([rows_B2, columns_B2], dim=1)


def cropped(x_BCHW: Tensor, boxes_B4: Tensor) -> Tensor:
    """What lies in each image's box, at the size of the whole image.

    It is `interpolate` (bilinear, not aligning corners) of the slice, for all boxes at once: no
    pixel outside a box has a part in it.
    """
    height, width = x_BCHW.shape[2:]
    top_B, bottom_B, left_B, right_B = boxes_B4.unbind(1)
    y_BH = _sample_points(top_B, bottom_B, height)
    x_BW = _sample_points(left_B, right_B, width)
    grid_BHW2 = torch.stack(
        [
            x_BW[:, None, :].expand(-1, height, -1),
            y_BH[:, :, None].expand(-1, -1, width),
        ],
        dim=3,
    )
    return functional.grid_sample(
        x_BCHW, grid_BHW2, mode="bilinear", padding_mode="border", align_corners=True
    )


def dropped(x_BCHW: Tensor, attention_BHW: Tensor, threshold_B: Tensor) -> Tensor:
    """The image with 0 where attention is at least a share of its largest.

    In normalized images 0 is grey. A map that would hide all of an image, since it is 0 or alike
    everywhere (as one of a single cell is), hides nothing. In the public codes the image then is
    empty; with a map of one cell all of a batch were, and BatchNorm made gradients of 1e22.
    """
    is_kept_BHW = attention_BHW < threshold_B[:, None, None] * attention_BHW.amax((1, 2), True)
    is_all_hidden_B = ~is_kept_BHW.any(2).any(1)
    return x_BCHW * (is_kept_BHW | is_all_hidden_B[:, None, None])[:, None]


def _extent(is_hit_BL: Tensor, padding: float) -> Tensor:
    """(B, 2) First and one past the last hit, padded, within [0, L]."""
    length = is_hit_BL.shape[1]
    hits_BL = is_hit_BL.long()
    first_B = hits_BL.argmax(1)
    end_B = length - hits_BL.flip(1).argmax(1)
    grown = math.ceil(padding * length - 1e-9)  # 0.1 of 30 pixels are 3.
    first_B, end_B = (first_B - grown).clamp(min=0), (end_B + grown).clamp(max=length)
    size_B = end_B - first_B
    wanted_B = size_B.clamp(min=math.ceil(_SMALLEST_SIDE * length))
    first_B = (first_B - (wanted_B - size_B) // 2).clamp(min=0)
    first_B = torch.minimum(first_B, length - wanted_B)
    return torch.stack([first_B, first_B + wanted_B], dim=1)


def _sample_points(start_B: Tensor, end_B: Tensor, length: int) -> Tensor:
    """(B, L) Where a box's side is looked at, as `grid_sample` counts: -1 to 1."""
    size_B1 = (end_B - start_B)[:, None].double()
    steps_L = torch.arange(length, device=start_B.device).double()
    within_BL = ((steps_L + 0.5) * size_B1 / length - 0.5).clamp(min=0)
    pixel_BL = start_B[:, None] + torch.minimum(within_BL, size_B1 - 1)
    return (2 * pixel_BL / max(length - 1, 1) - 1).float()
