"""Which copies of a picture are found as near duplicates, and which different ones are taken for.

Tiles of scikit-learn's two photographs that show more than sky (100 pixels), and letters of
matplotlib's fonts (64 pixels); then seconds for a large picture and for many.
"""

import argparse
import io
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import matplotlib
import numpy as np
from PIL import Image, ImageDraw, ImageEnhance, ImageFont, ImageOps
from sklearn.datasets import load_sample_images

from core.data.archives.own._duplicates import duplicate_groups, sketch

FONTS = (
    *("DejaVuSans", "DejaVuSans-Bold", "DejaVuSans-Oblique", "DejaVuSerif", "DejaVuSerif-Bold"),
    *("DejaVuSerif-Italic", "DejaVuSansMono", "STIXGeneral", "STIXGeneralItalic", "cmr10"),
    *("cmb10", "cmss10", "cmtt10"),
)
LETTERS = "ABCDEFGHIJKL"


def encoded(image: Image.Image, kind: str = "PNG", quality: int = 75) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, quality=quality)
    return buffer.getvalue()


COPIES: Mapping[str, Callable[[Image.Image], bytes]] = {
    "JPEG at quality 40": lambda image: encoded(image, "JPEG", 40),
    "reduced to 60 pixels": lambda image: encoded(image.resize((60, 60))),
    "enlarged to 300 pixels": lambda image: encoded(image.resize((300, 300)), "JPEG"),
    "8 % brighter": lambda image: encoded(ImageEnhance.Brightness(image).enhance(1.08)),
    "3 pixels cut off each side": lambda image: encoded(ImageOps.crop(image, 3)),
    "6 pixels cut off each side": lambda image: encoded(ImageOps.crop(image, 6)),
    "grey": lambda image: encoded(image.convert("L")),
    "mirrored": lambda image: encoded(ImageOps.mirror(image)),
}


def main() -> None:
    """Print the shares and the seconds."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.near_duplicates", description=__doc__
    )
    parser.add_argument("--pictures", type=int, default=20000, help="compared (default: 20000)")
    arguments = parser.parse_args()
    everything, letters = _tiles(), _letters()
    tiles = [tile for tile in everything if np.asarray(tile).std() > 25]
    print(f"copies found, of {len(tiles)} tiles and of {len(letters)} letters")
    for name, copy in COPIES.items():
        shares = [
            np.mean([_is_found(encoded(image), copy(image)) for image in images])
            for images in (tiles, letters)
        ]
        print(f"  {name:28}{100 * shares[0]:6.0f} %{100 * shares[1]:6.0f} %")
    for name, images in (("tiles", everything), ("letters", letters)):
        groups_N = duplicate_groups([[encoded(image) for image in images]])
        print(f"{len(images)} different {name}: {len(np.unique(groups_N))} groups")
    large = encoded(everything[0].resize((1280, 854)), "JPEG", 90)
    start = time.perf_counter()
    for _ in range(50):
        sketch(large)
    print(f"a picture of 1280 x 854 pixels: {20 * (time.perf_counter() - start):.1f} ms")
    noise = np.random.default_rng(0).integers(0, 256, (arguments.pictures, 8, 8, 3), dtype=np.uint8)
    contents = [encoded(Image.fromarray(pixels)) for pixels in noise]
    start = time.perf_counter()
    duplicate_groups([contents])
    print(f"{arguments.pictures} small ones: {time.perf_counter() - start:.1f} s")


def _tiles() -> list[Image.Image]:
    return [
        Image.fromarray(pixels[top : top + 100, left : left + 100])
        for pixels in load_sample_images().images
        for top in range(0, pixels.shape[0] - 99, 100)
        for left in range(0, pixels.shape[1] - 99, 100)
    ]


def _letters() -> list[Image.Image]:
    return [_letter(character, font) for character in LETTERS for font in FONTS]


def _letter(character: str, font: str) -> Image.Image:
    path = Path(matplotlib.get_data_path()) / "fonts" / "ttf" / f"{font}.ttf"
    image = Image.new("RGB", (64, 64), "white")
    shape = ImageFont.truetype(str(path), 44)
    ImageDraw.Draw(image).text((32, 32), character, font=shape, fill="black", anchor="mm")
    return image


def _is_found(picture: bytes, copy: bytes) -> bool:
    first, second = duplicate_groups([[picture, copy]]).tolist()
    return bool(first == second)


if __name__ == "__main__":
    main()
