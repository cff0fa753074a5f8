"""Real pictures from what packages ship: photographs cut into tiles, and letters of many fonts."""

import functools
from collections.abc import Iterator, Sequence
from pathlib import Path

import matplotlib
import numpy as np
from PIL import Image, ImageDraw, ImageFont
from sklearn.datasets import load_sample_images

FONTS = (
    *("DejaVuSans", "DejaVuSans-Bold", "DejaVuSans-Oblique", "DejaVuSans-BoldOblique"),
    *("DejaVuSerif", "DejaVuSerif-Bold", "DejaVuSerif-Italic", "DejaVuSerif-BoldItalic"),
    *("DejaVuSansMono", "DejaVuSansMono-Bold", "DejaVuSansMono-Oblique"),
    *("STIXGeneral", "STIXGeneralBol", "STIXGeneralItalic", "cmr10", "cmb10", "cmss10", "cmtt10"),
)
"""Of matplotlib's, those with letters."""


@functools.cache
def photographs() -> dict[str, Image.Image]:
    """scikit-learn's: a temple in China, and a flower; 640 x 427 pixels."""
    found = load_sample_images()
    return {
        Path(name).stem: Image.fromarray(pixels)
        for name, pixels in zip(found.filenames, found.images, strict=True)
    }


def tiles(name: str, *, size: int = 100, step: int = 100) -> Iterator[Image.Image]:
    """Squares of a photograph, row by row."""
    whole = photographs()[name]
    for top in range(0, whole.height - size + 1, step):
        for left in range(0, whole.width - size + 1, step):
            yield whole.crop((left, top, left + size, top + size))


def letter(character: str, font: str, *, size: int = 32) -> Image.Image:
    """A black letter on white."""
    path = Path(matplotlib.get_data_path()) / "fonts" / "ttf" / f"{font}.ttf"
    image = Image.new("RGB", (size, size), "white")
    place = (size // 2, size // 2)
    shape = ImageFont.truetype(str(path), int(0.7 * size))
    ImageDraw.Draw(image).text(place, character, font=shape, fill="black", anchor="mm")
    return image


def photograph_folder(folder: Path, *, size: int = 100, step: int = 100) -> Path:
    """Tiles in folders that are called after their photograph."""
    for name in photographs():
        for number, tile in enumerate(tiles(name, size=size, step=step)):
            save(tile, folder / name / f"{number:03d}.jpg")
    return folder


def letter_folder(folder: Path, characters: Sequence[str], *, size: int = 32) -> Path:
    """Letters in folders that are called after them, one of each font."""
    for character in characters:
        for font in FONTS:
            save(letter(character, font, size=size), folder / character / f"{font}.png")
    return folder


def save(image: Image.Image, path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    image.save(path)
    return path


def brightness(image: Image.Image) -> float:
    return float(np.asarray(image.convert("L")).mean())
