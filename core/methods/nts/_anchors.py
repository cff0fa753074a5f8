"""The boxes that the navigator chooses from.

Shape letters: A anchors.
"""

import functools
import itertools
import math
from typing import NamedTuple

import torch
from torch import Tensor

SCALES = (
    (2 ** (1 / 3), 2 ** (2 / 3)),
    (2 ** (1 / 3), 2 ** (2 / 3)),
    (1.0, 2 ** (1 / 3), 2 ** (2 / 3)),
)
"""Of each of the three levels."""

RATIOS = (0.667, 1.0, 1.5)
"""Width by height."""

_SIZES = (48 / 448, 96 / 448, 192 / 448)
"""Base size of each level, as a share of the image's shorter side."""

_SMALLEST = 2
"""Pixels of a box's side."""

Size = tuple[int, int]


class Anchors(NamedTuple):
    """Boxes of an image size, in the order of the navigator's scores."""

    boxes_A4: Tensor
    """int64: top, left, bottom, right; bottom and right lie outside. They may reach beyond the
    image, where it is continued with 0."""

    overlap_AA: Tensor
    """Area in common by area in either."""


def level_sizes(map_size: Size) -> list[Size]:
    """Height and width of the three levels: each halves the one before, rounding up."""
    sizes = [map_size]
    for _ in SCALES[1:]:
        sizes.append((-(-sizes[-1][0] // 2), -(-sizes[-1][1] // 2)))
    return sizes


@functools.lru_cache(maxsize=8)
def anchors_for(image_size: Size, map_size: Size, device: torch.device) -> Anchors:
    """The anchors of an image: level, scale, ratio, row, column.

    Centres are at (index + 1/2) times the stride, the image's side by that of the level's map. The
    public code has sizes in pixels for images of 448 pixels; as shares of the side they are the
    same there, and suit maps down to 2 x 2 too.

    Examples
    --------
    >>> anchors = anchors_for((448, 448), (14, 14), torch.device("cpu"))
    >>> len(anchors.boxes_A4), anchors.boxes_A4[196].tolist()  # of ratio 1
    (1614, [-15, -15, 46, 46])
    """
    boxes: list[tuple[int, int, int, int]] = []
    for level, (height, width) in enumerate(level_sizes(map_size)):
        strides = [
            2**level * side / cells for side, cells in zip(image_size, map_size, strict=True)
        ]
        for scale, ratio in itertools.product(SCALES[level], RATIOS):
            size = _SIZES[level] * min(image_size) * scale
            for row, column in itertools.product(range(height), range(width)):
                top, bottom = _cut((row + 0.5) * strides[0], size / math.sqrt(ratio))
                left, right = _cut((column + 0.5) * strides[1], size * math.sqrt(ratio))
                boxes.append((top, left, bottom, right))
    # Kept for later calls, which may be in training where this one is not.
    with torch.inference_mode(False):
        boxes_A4 = torch.tensor(boxes, device=device)
        return Anchors(boxes_A4, _overlap(boxes_A4))


def _cut(center: float, size: float) -> tuple[int, int]:
    start = math.floor(center - size / 2)
    return start, max(math.floor(center + size / 2), start + _SMALLEST)


def _overlap(boxes_A4: Tensor) -> Tensor:
    start_A2, end_A2 = boxes_A4[:, :2].float(), boxes_A4[:, 2:].float()
    area_A = (end_A2 - start_A2).prod(1)
    common_AA2 = torch.minimum(end_A2[:, None], end_A2) - torch.maximum(start_A2[:, None], start_A2)
    common_AA = common_AA2.clamp(min=0).prod(2)
    return common_AA / (area_A[:, None] + area_A - common_AA)
