"""A small archive with real image files, for the tests of its packed form."""

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from core.data.archives import Archive, Check

CLASS_NAMES = ("auk", "bee eater", "crow")
ATTRIBUTE_NAMES = ("has_crest::yes", "has_stripes", "flies", "swims")


def make_archive(root: Path, rows: int = 20, **changes: Any) -> Archive:
    """An archive whose images are 40 x 30 and 30 x 40 in turns, every third one a PNG."""
    files = [f"images/{row:03d}.{'png' if row % 3 == 2 else 'jpg'}" for row in range(rows)]
    (root / "images").mkdir(parents=True, exist_ok=True)
    for row, file in enumerate(files):
        size = (30, 40) if row % 2 else (40, 30)
        Image.fromarray(pixels(row, *size)).save(root / file)
    rng = np.random.default_rng(7)
    columns: dict[str, Any] = {
        "name": "birds",
        "root": root,
        "class_names": CLASS_NAMES,
        "attribute_names": ATTRIBUTE_NAMES,
        "files": tuple(files),
        "boxes_N4": None,
        "crops": False,
        "labels_N": np.arange(rows) % len(CLASS_NAMES),
        "is_test_N": np.arange(rows) % 4 == 3,
        "attributes_NA": rng.random((rows, len(ATTRIBUTE_NAMES))) < 0.4,
        "attributes_per_class": False,
        "checks": (Check("images", 21, rows),),
        "warnings": ("One box was empty.",),
    }
    return Archive(**(columns | changes))


def pixels(seed: int, width: int, height: int) -> npt.NDArray[np.uint8]:
    """A smooth picture, so that JPEG changes little of it."""
    rng = np.random.default_rng(seed)
    coarse = Image.fromarray(rng.integers(0, 256, (3, 3, 3), dtype=np.uint8))
    return np.asarray(coarse.resize((width, height), Image.Resampling.BICUBIC))


def files_below(folder: Path) -> dict[str, bytes]:
    """Content of every file of a folder."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }
