"""Two views of an image that differ in colour and not in place.

Shape letters: B samples, C channels, H height, W width.
"""

import torch
from torch import Tensor
from torch.nn import functional

NUM_FACTORS = 4
"""Brightness, contrast, colour, sharpness."""

_GREY_3 = (0.299, 0.587, 0.114)


def draw_factors(count: int, *, strength: float, generator: torch.Generator) -> Tensor:
    """Factors of so many images, uniform in [1 - strength, 1 + strength].

    Returns
    -------
    Tensor
        (count, 4) float32, on the CPU, one row an image.
    """
    uniform = torch.rand(count, NUM_FACTORS, generator=generator)
    return 1 + strength * (2 * uniform - 1)


def view(images_BCHW: Tensor, factors_B4: Tensor) -> Tensor:
    """Change brightness, contrast, colour and sharpness, each about what an image has none of.

    A factor of 1 changes nothing; one of 0 gives black, the image's mean, its grey, and its blur by
    a 3x3 mean. Colour is for three channels alone. Every pixel stays at its place, so that maps of
    two views can be compared cell by cell.

    The public code draws one of more such changes for each view, with torchvision, on whole images
    of three channels; these also suit one channel and few pixels.

    Parameters
    ----------
    images_BCHW
        Floats in [0, 1].
    factors_B4
        From `draw_factors`, on the same device.

    Returns
    -------
    Tensor
        Same shape and dtype; what leaves [0, 1] is cut off.

    Examples
    --------
    >>> view(torch.full((1, 1, 2, 2), 0.5), torch.tensor([[1.5, 0.0, 1.0, 1.0]]))[0, 0]
    tensor([[0.7500, 0.7500],
            [0.7500, 0.7500]])
    """
    brightness, contrast, colour, sharpness = factors_B4.to(images_BCHW.dtype).T[
        ..., None, None, None
    ]
    x_BCHW = (images_BCHW * brightness).clamp(0, 1)
    mean_B111 = x_BCHW.mean((1, 2, 3), keepdim=True)
    x_BCHW = torch.lerp(mean_B111.expand_as(x_BCHW), x_BCHW, contrast).clamp(0, 1)
    if x_BCHW.shape[1] == len(_GREY_3):
        weights_C11 = x_BCHW.new_tensor(_GREY_3)[:, None, None]
        grey_B1HW = (x_BCHW * weights_C11).sum(1, keepdim=True)
        x_BCHW = torch.lerp(grey_B1HW.expand_as(x_BCHW), x_BCHW, colour).clamp(0, 1)
    blur_BCHW = functional.avg_pool2d(x_BCHW, 3, stride=1, padding=1, count_include_pad=False)
    return torch.lerp(blur_BCHW, x_BCHW, sharpness).clamp(0, 1)
