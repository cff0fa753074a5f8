"""Which pictures count as near duplicates, on photographs and letters."""

import io
from collections.abc import Callable

import numpy as np
import pytest
from PIL import Image, ImageEnhance, ImageOps

from core.data.archives.own._duplicates import duplicate_groups
from tests.core.data.own_pictures import FONTS, letter, tiles

TILES = [tile for name in ("china", "flower") for tile in tiles(name)]
PLAIN_TILES = [tile for tile in TILES if np.asarray(tile).std() > 25]
"""Those that show more than sky."""


def encoded(image: Image.Image, kind: str = "PNG", **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def groups(*contents: bytes) -> list[int]:
    found: list[int] = duplicate_groups([list(contents)]).tolist()
    return found


def saved_poorly(image: Image.Image) -> bytes:
    return encoded(image, "JPEG", quality=40)


def reduced(image: Image.Image) -> bytes:
    return encoded(image.resize((60, 60), Image.Resampling.LANCZOS))


def enlarged(image: Image.Image) -> bytes:
    return encoded(image.resize((300, 300), Image.Resampling.BICUBIC), "JPEG")


def brightened(image: Image.Image) -> bytes:
    return encoded(ImageEnhance.Brightness(image).enhance(1.08))


def shifted(image: Image.Image) -> bytes:
    return encoded(image.crop((1, 0, 100, 100)))


def turned_by_exif(image: Image.Image) -> bytes:
    exif = Image.Exif()
    exif[0x0112] = 6
    return encoded(image.transpose(Image.Transpose.ROTATE_90), "JPEG", exif=exif, quality=95)


@pytest.mark.parametrize(
    ("change", "least"),
    [
        (saved_poorly, 0.9),
        (reduced, 0.9),
        (enlarged, 1.0),
        (brightened, 0.9),
        (shifted, 1.0),
        (turned_by_exif, 1.0),
    ],
)
def test_a_copy_is_of_one_group_with_its_picture(
    change: Callable[[Image.Image], bytes], least: float
) -> None:
    found = [groups(encoded(tile), change(tile)) == [0, 0] for tile in PLAIN_TILES]
    assert len(found) > 20
    assert np.mean(found) >= least, np.mean(found)


@pytest.mark.parametrize("change", [ImageOps.mirror, ImageOps.grayscale, ImageOps.flip])
def test_what_is_mirrored_or_grey_is_another_picture(
    change: Callable[[Image.Image], Image.Image],
) -> None:
    coloured = [tile for tile in PLAIN_TILES if np.asarray(tile).std(axis=2).mean() > 25]
    found = [groups(encoded(tile), encoded(change(tile))) == [0, 1] for tile in coloured]
    assert np.mean(found) > 0.9


def test_tiles_side_by_side_are_different_pictures() -> None:
    assert groups(*map(encoded, TILES)) == list(range(len(TILES)))


def test_pieces_of_sky_have_copies_too() -> None:
    skies = [tile for tile in TILES if np.asarray(tile).std() < 12]
    assert len(skies) > 2
    for sky in skies:
        assert groups(encoded(sky), saved_poorly(sky), enlarged(sky)) == [0, 0, 0]


def test_letters_are_not_the_same_for_being_black_on_white() -> None:
    found = groups(*(encoded(letter(character, "DejaVuSans", size=64)) for character in "ABCDEKS"))
    assert found == list(range(7))


def test_one_letter_of_fonts_that_differ_stays_apart() -> None:
    some = [font for font in FONTS if font.endswith(("Sans", "Serif", "General", "r10"))]
    found = groups(*(encoded(letter("R", font, size=64)) for font in some))
    assert len(set(found)) == len(some) > 3


def test_a_chain_of_duplicates_is_one_group_and_numbers_follow_the_rows() -> None:
    first, second = PLAIN_TILES[:2]
    wide = [encoded(first.crop((left, 0, 100, 100))) for left in range(0, 20, 2)]
    assert groups(encoded(second), *wide, encoded(second)) == [0, *[1] * 10, 0]
    assert groups(wide[0], wide[-1]) == [0, 1], "the ends alone are no duplicates"


def test_flat_pictures_are_alike_by_their_colour() -> None:
    grey, same, red = (Image.new("RGB", (40, 40), colour) for colour in ("#777", "#787878", "red"))
    assert groups(*map(encoded, (grey, same, red))) == [0, 0, 1]


def test_what_cannot_be_read_is_alone() -> None:
    whole = encoded(PLAIN_TILES[0])
    assert groups(b"", whole, b"", whole[:200], whole) == [0, 1, 2, 3, 1]


def test_a_thousand_copies_are_compared_once() -> None:
    blank, tile = encoded(Image.new("L", (8, 8), 255)), encoded(PLAIN_TILES[0])
    found = duplicate_groups([[blank] * 500, [tile], [blank] * 500])
    assert found.tolist() == [*[0] * 500, 1, *[0] * 500]
