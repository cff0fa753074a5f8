"""Say what a packed dataset holds, and draw some of it.

``python -m core.data.describe packed/cub --sheet sheet.png``
"""

import argparse
import io
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from matplotlib.figure import Figure
from PIL import Image
from rich.console import Console

from core.cache import default_cache_dir
from core.command import OneLineParser
from core.data.packed import (
    Manifest,
    StrPath,
    attributes_of,
    localize,
    open_table,
    read_columns,
    verify,
)
from core.data.views import (
    DPI,
    FORMATS,
    Cell,
    attributes_in_words,
    draw_sheet,
    print_description,
    summarize_splits,
)
from core.errors import ConfigError, CoreError, DataError

__all__ = ["main", "packed_sheet"]

_SPLITS = ("train", "test")


def packed_sheet(
    path: StrPath, *, split: str = "train", num_images: int = 24, columns: int = 6
) -> Figure:
    """Draw images of a local packed dataset, with class and attributes in words.

    Parameters
    ----------
    path
        Its folder.
    split
        "train" or "test".
    num_images
        How many, spread evenly over the rows in the order of their classes; fewer where the split
        is smaller.
    columns
        Images in a row.

    Returns
    -------
    Figure
        One cell an image, classes in order.

    Raises
    ------
    ConfigError
        If the split does not exist or a count is below 1.
    DataError
        If there is no whole packed dataset, if the split is empty or if an image is damaged.

    Examples
    --------
    >>> packed_sheet("packed/cub", num_images=12).savefig("sheet.png")
    """
    if split not in _SPLITS:
        known = ", ".join(map(repr, _SPLITS))
        raise ConfigError(f"`split` must be one of {known}, but got {split!r}.")
    if num_images < 1:
        raise ConfigError(f"`num_images` must be at least 1, but got {num_images}.")
    table = open_table(path)
    manifest = Manifest.read(path)
    rows = np.flatnonzero(table["is_test"].to_numpy() == (split == "test"))
    if not len(rows):
        raise DataError(f"Split {split!r} of {manifest.name!r} must have images, but is empty.")
    labels = table["label"].to_numpy()[rows]
    by_class = rows[np.argsort(labels, kind="stable")]
    # The middles of equal parts.
    count = min(num_images, len(by_class))
    chosen = by_class[((np.arange(count) + 0.5) * len(by_class) / count).astype(np.int64)]
    some = pa.concat_tables(table.slice(row, 1) for row in chosen.tolist())
    attributes_NA = attributes_of(some, len(manifest.attribute_names))
    cells = [
        Cell(
            _decoded(some, place, path),
            manifest.class_names[some["label"][place].as_py()],
            attributes_in_words(manifest.attribute_names, flags_A),
        )
        for place, flags_A in enumerate(attributes_NA)
    ]
    return draw_sheet(cells, columns=columns)


def main(argv: Sequence[str] | None = None) -> int:
    """Describe a packed dataset; the command's entry point."""
    parser = _parser()
    options = parser.parse_args(argv)
    sheet: Path | None = options.sheet
    if sheet is not None:
        if sheet.suffix.lower() not in FORMATS:
            parser.error(f"--sheet must end in {', '.join(FORMATS)}, but got {str(sheet)!r}.")
        if not sheet.parent.is_dir():
            parser.error(f"--sheet lies in {str(sheet.parent)!r}, which is no folder: make it.")
    try:
        _describe(options, sheet)
    except (CoreError, OSError) as error:
        parser.error(str(error))
    return 0


def _describe(options: argparse.Namespace, sheet: Path | None) -> None:
    # Without a terminal a line may be long: a log is not wrapped.
    width = None if sys.stdout.isatty() else 160
    console = Console(highlight=False, width=width)
    manifest = Manifest.read(options.path)
    if options.verify:
        verify(options.path)
    table = read_columns(options.path, ["label", "is_test", "attributes"])
    print_description(manifest, summarize_splits(manifest, table), console, full=options.all)
    if options.verify:
        console.print("every byte is as it was packed")
    if sheet is not None:
        folder = localize(options.path, options.cache_dir or default_cache_dir())
        figure = packed_sheet(
            folder, split=options.split, num_images=options.images, columns=options.columns
        )
        figure.savefig(sheet, dpi=DPI)
        console.print(f"{sheet}: {len(figure.axes)} images")


def _decoded(table: pa.Table, place: int, path: StrPath) -> npt.NDArray[np.uint8]:
    try:
        with Image.open(io.BytesIO(table["image"][place].as_py())) as image:
            return np.asarray(image.convert("RGB"))
    except (OSError, SyntaxError, ValueError) as error:
        row, file = table["row"][place].as_py(), table["file"][place].as_py()
        raise DataError(
            f"The image of row {row}, {file!r}, in {str(path)!r} is damaged: {error}. "
            "`python -m core.data.describe PATH --verify` tells which shard it is."
        ) from error


def _parser() -> argparse.ArgumentParser:
    parser = OneLineParser(
        prog="python -m core.data.describe",
        description="Print what a packed dataset holds: counts, prevalences, floors, and what was "
        "odd when it was packed.",
        epilog="example: python -m core.data.describe packed/cub --sheet sheet.png",
        allow_abbrev=False,
    )
    parser.add_argument("path", metavar="PATH", help="the packed dataset: a folder, or s3://...")
    parser.add_argument(
        "--all", action="store_true", help="list every class, attribute and unreadable image"
    )
    parser.add_argument(
        "--verify", action="store_true", help="compare every byte with the manifest first"
    )
    parser.add_argument(
        "--sheet", type=Path, metavar="FILE", help="draw images to a page: .png, .pdf or .svg"
    )
    parser.add_argument(
        "--split", choices=_SPLITS, default="train", help="split of the sheet (default: train)"
    )
    parser.add_argument(
        "--images", type=int, default=24, metavar="N", help="images of the sheet (default: 24)"
    )
    parser.add_argument(
        "--columns", type=int, default=6, metavar="N", help="images in a row (default: 6)"
    )
    parser.add_argument(
        "--cache-dir",
        metavar="DIR",
        help="where --sheet copies a remote dataset to (default: $INTERSECTION_CACHE, or "
        "~/.cache/intersection-regularization)",
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
