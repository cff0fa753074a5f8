"""From a scene to pixels.

Shape letters: C channels, H height, W width.
"""

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw

from core.data.bundled.field_guide._scene import Scene
from core.data.bundled.field_guide._specimen import Backdrop, Specimen

_SUPERSAMPLING = 4
_GRAIN = 5.0
"""Standard deviation of the sensor's noise, of 255."""

_SKY_TOP, _SKY_FOOT = np.array([92.0, 150.0, 214.0]), np.array([206.0, 222.0, 232.0])
_LEAF_DARK, _LEAF_LIGHT = np.array([34.0, 66.0, 34.0]), np.array([148.0, 176.0, 92.0])
_WATER_DARK, _WATER_LIGHT = np.array([44.0, 92.0, 110.0]), np.array([150.0, 186.0, 190.0])


def render(
    scene: Scene, specimen: Specimen, image_size: int, grain: np.random.Generator
) -> npt.NDArray[np.uint8]:
    """Draw one image.

    Polygons are filled on a canvas four times as wide and then averaged down, which smooths their
    edges; light and grain are laid over the result.

    Returns
    -------
    npt.NDArray[np.uint8]
        Shape (3, image_size, image_size).
    """
    width = _SUPERSAMPLING * image_size
    canvas = _backdrop(specimen).resize((width, width), Image.Resampling.BICUBIC)
    draw = ImageDraw.Draw(canvas)
    for points_P2, colour in scene.polygons:
        red, green, blue = (min(max(round(channel), 0), 255) for channel in colour)
        draw.polygon((points_P2 * width).ravel().tolist(), fill=(red, green, blue))
    small_HWC = np.asarray(canvas.reduce(_SUPERSAMPLING), dtype=np.float32)
    lit_HWC = small_HWC * _light(specimen, image_size)
    lit_HWC += grain.standard_normal(lit_HWC.shape, dtype=np.float32) * np.float32(_GRAIN)
    np.clip(np.rint(lit_HWC), 0, 255, out=lit_HWC)
    return np.ascontiguousarray(lit_HWC.astype(np.uint8).transpose(2, 0, 1))


def _backdrop(specimen: Specimen) -> Image.Image:
    """The scene's texture as a small picture, to be enlarged smoothly."""
    texture = specimen.backdrop_texture
    height = np.linspace(0, 1, len(texture))[:, None, None]
    match specimen.backdrop:
        case Backdrop.SKY:
            cloud = np.maximum(texture[:, :, :1] - 0.55, 0) * 1.6
            blue = _SKY_TOP + (_SKY_FOOT - _SKY_TOP) * height
            pixels = blue + (245 - blue) * cloud
        case Backdrop.FOLIAGE:
            sunlit = texture[:, :, :1] ** 1.5
            pixels = _LEAF_DARK + (_LEAF_LIGHT - _LEAF_DARK) * sunlit + 16 * (texture - 0.5)
        case Backdrop.WATER:
            ripple = 0.25 * texture[:, :, :1] + 0.75 * texture[:, :1, 1:2]
            pixels = _WATER_DARK + (_WATER_LIGHT - _WATER_DARK) * ripple
    return Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8))


def _light(specimen: Specimen, image_size: int) -> npt.NDArray[np.float32]:
    """Factor on each pixel and channel, shape (H, W, 3)."""
    across = np.linspace(-0.5, 0.5, image_size)
    right, down = specimen.light_slope
    plane_HW = specimen.light * (1 + right * across[None, :] + down * across[:, None])
    return (plane_HW[:, :, None] * specimen.tint).astype(np.float32)
