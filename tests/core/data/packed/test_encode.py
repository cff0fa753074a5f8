"""What is stored of an image file."""

import io
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import ExifTags, Image

from core.data.packed._encode import ImageTask, StoredImage, Unreadable, store_image
from tests.core.data.packing import pixels

Pixels = npt.NDArray[np.uint8]


def stored(path: Path, box: Any = None, size: int | None = None, quality: int = 95) -> StoredImage:
    result = store_image(ImageTask(str(path), box), shorter_side=size, quality=quality)
    assert isinstance(result, StoredImage), result
    with Image.open(io.BytesIO(result.data)) as image:
        assert (image.format, image.mode) == ("JPEG", "RGB")
        assert image.size == (result.width, result.height)
    return result


def refused(path: Path, box: Any = None) -> str:
    result = store_image(ImageTask(str(path), box), shorter_side=None, quality=95)
    assert isinstance(result, Unreadable), result
    return result.reason


def decoded(result: StoredImage) -> npt.NDArray[np.int16]:
    with Image.open(io.BytesIO(result.data)) as image:
        return np.asarray(image).astype(np.int16)


def save(path: Path, image: Pixels, **options: Any) -> Path:
    Image.fromarray(image).save(path, **options)
    return path


def close(found: npt.NDArray[np.int16], expected: Pixels) -> bool:
    """Equal but for what JPEG loses of a smooth picture at quality 95."""
    return found.shape == expected.shape and bool(np.abs(found - expected).mean() < 4)


def test_a_jpeg_that_needs_no_change_is_kept_byte_for_byte(tmp_path: Path) -> None:
    path = save(tmp_path / "a.jpg", pixels(0, 40, 30), quality=70)
    for box, size in ((None, None), (None, 30), (None, 99), ((0, 0, 40, 30), None)):
        assert stored(path, box, size).data == path.read_bytes()
    assert stored(path, size=29).data != path.read_bytes()


@pytest.mark.parametrize("suffix", ["png", "bmp", "gif", "webp"])
def test_other_formats_become_jpeg(tmp_path: Path, suffix: str) -> None:
    path = save(tmp_path / f"a.{suffix}", pixels(0, 40, 30))
    assert close(decoded(stored(path)), pixels(0, 40, 30)) or suffix == "gif"


def test_the_quality_is_that_of_the_encoder(tmp_path: Path) -> None:
    path = save(tmp_path / "a.png", pixels(0, 40, 30))
    with Image.open(path) as image:
        buffer = io.BytesIO()
        image.save(buffer, "JPEG", quality=60)
    assert stored(path, quality=60).data == buffer.getvalue()


@pytest.mark.parametrize(
    ("box", "inside"),
    [
        ((4, 6, 20, 16), (4, 6, 20, 16)),
        ((4.7, 6.2, 19.1, 15.5), (4, 6, 20, 16)),  # whole pixels around the box
        ((-9, -1, 20, 16), (0, 0, 20, 16)),
        ((30, 20, 99, 99), (30, 20, 40, 30)),
    ],
)
def test_the_box_is_cut_out_and_its_part_outside_dropped(
    tmp_path: Path, box: Any, inside: tuple[int, int, int, int]
) -> None:
    picture = pixels(1, 40, 30)
    path = save(tmp_path / "a.png", picture)
    left, top, right, bottom = inside
    assert close(decoded(stored(path, box)), picture[top:bottom, left:right])


@pytest.mark.parametrize(
    ("box", "reason"),
    [
        ((40, 0, 50, 10), "its box (40, 0, 50, 10) lies outside its 40 x 30 pixels"),
        ((0, -9, 10, -1), "its box (0, -9, 10, -1) lies outside its 40 x 30 pixels"),
        ((8, 8, 8, 20), "its box (8, 8, 8, 20) is empty"),
        ((9, 8, 4, 20), "its box (9, 8, 4, 20) is empty"),
        ((0, 0, float("inf"), 9), "its box (0, 0, inf, 9) is not finite"),
        ((0, float("nan"), 9, 9), "its box (0, nan, 9, 9) is not finite"),
    ],
)
def test_a_box_without_pixels_makes_an_image_unreadable(
    tmp_path: Path, box: Any, reason: str
) -> None:
    assert refused(save(tmp_path / "a.png", pixels(1, 40, 30)), box) == reason


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_applied_after_the_box(tmp_path: Path, orientation: int) -> None:
    upright = pixels(2, 96, 64)
    # How a camera stores an upright picture under each orientation (EXIF 2.3, tag 0x0112).
    as_stored = {
        1: upright,
        2: upright[:, ::-1],
        3: upright[::-1, ::-1],
        4: upright[::-1],
        5: upright.transpose(1, 0, 2),
        6: np.rot90(upright, 1),
        7: upright[::-1, ::-1].transpose(1, 0, 2),
        8: np.rot90(upright, -1),
    }[orientation]
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    path = save(tmp_path / "a.jpg", np.ascontiguousarray(as_stored), quality=100, exif=exif)
    result = stored(path)
    assert close(decoded(result), upright)
    assert (result.data == path.read_bytes()) == (orientation == 1)
    with Image.open(io.BytesIO(result.data)) as image:
        assert image.getexif().get(ExifTags.Base.Orientation, 1) == 1
    half = (0, 0, as_stored.shape[1], as_stored.shape[0] // 2)
    cut = decoded(stored(path, half))
    assert cut.shape[:2] == ((32, 96) if orientation < 5 else (64, 48))


@given(width=st.integers(1, 70), height=st.integers(1, 70), size=st.integers(1, 80))
@settings(max_examples=25, deadline=None)
def test_the_shorter_side_is_reduced_and_never_enlarged(
    tmp_path_factory: pytest.TempPathFactory, width: int, height: int, size: int
) -> None:
    path = save(tmp_path_factory.mktemp("i") / "a.png", pixels(3, width, height))
    result = stored(path, size=size)
    shorter = min(width, height)
    expected = (
        (width, height) if shorter <= size else (width * size // shorter, height * size // shorter)
    )
    assert (result.width, result.height) == expected


def test_reducing_is_antialiased(tmp_path: Path) -> None:
    checker = (np.indices((64, 64)).sum(0) % 2 * 255).astype(np.uint8)
    path = save(tmp_path / "a.png", np.repeat(checker[:, :, None], 3, axis=2))
    assert np.abs(decoded(stored(path, size=16)) - 127).max() < 12


def test_every_mode_becomes_rgb(tmp_path: Path) -> None:
    picture = Image.fromarray(pixels(4, 20, 20))
    grey = np.asarray(picture.convert("L"))
    for mode in ("L", "1", "P", "CMYK", "RGBA", "LA"):
        suffix = "tif" if mode == "CMYK" else "png"
        path = tmp_path / f"{mode}.{suffix}"
        picture.convert(mode).save(path)
        assert decoded(stored(path)).shape == (20, 20, 3)
    assert close(decoded(stored(tmp_path / "L.png")), np.repeat(grey[:, :, None], 3, axis=2))


def test_what_is_transparent_becomes_white(tmp_path: Path) -> None:
    picture = np.zeros((16, 16, 4), dtype=np.uint8)
    picture[:, 8:, 3] = 255
    shown = decoded(stored(save(tmp_path / "a.png", picture)))
    assert shown[:, :6].min() > 245
    assert shown[:, 10:].max() < 10


def test_unreadable_files_are_told_with_a_reason(tmp_path: Path) -> None:
    whole = save(tmp_path / "whole.jpg", pixels(0, 64, 64), quality=95).read_bytes()
    (tmp_path / "half.jpg").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "empty.jpg").write_bytes(b"")
    (tmp_path / "text.jpg").write_text("<html>404</html>")
    (tmp_path / "folder.jpg").mkdir()
    deep = Image.fromarray(np.full((4, 4), 40_000, dtype=np.uint16))
    deep.save(tmp_path / "deep.png")
    assert "truncated" in refused(tmp_path / "half.jpg")
    no_image = "its content is no image of a known format"
    assert refused(tmp_path / "empty.jpg") == no_image
    assert refused(tmp_path / "text.jpg") == no_image
    assert refused(tmp_path / "folder.jpg") == "Is a directory"
    assert refused(tmp_path / "absent.jpg") == "No such file or directory"
    assert "more than eight bits a channel (mode I;16)" in refused(tmp_path / "deep.png")


def test_damage_of_any_kind_is_told_and_never_raised(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for suffix in ("jpg", "png", "gif", "tif"):
        whole = save(tmp_path / f"a.{suffix}", pixels(5, 48, 48)).read_bytes()
        path = tmp_path / f"damaged.{suffix}"
        for _ in range(60):
            damaged = bytearray(whole)
            for place in rng.integers(0, len(whole), 3):
                damaged[place] = rng.integers(0, 256)
            path.write_bytes(damaged)
            result = store_image(ImageTask(str(path), None), shorter_side=16, quality=95)
            assert isinstance(result, StoredImage | Unreadable)


def test_damaged_metadata_does_not_make_an_image_unreadable(tmp_path: Path) -> None:
    path = save(tmp_path / "a.jpg", pixels(0, 40, 30), exif=b"Exif\x00\x00not a header at all")
    assert stored(path).data == path.read_bytes()
