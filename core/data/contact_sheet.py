"""A page of pictures from a dataset, each with the attributes recorded for it.

``python -m core.data.contact_sheet --dataset field_guide --set image_size=96 --output sheet.png``
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from core.command import OneLineParser, add_set_argument
from core.config import TrainConfig
from core.data.registry import DATASETS, dataset_name, dataset_preset, load_dataset
from core.data.types import Dataset, Split
from core.data.views import DPI, FORMATS, Cell, attributes_in_words, draw_sheet
from core.errors import ConfigError, CoreError

__all__ = ["contact_sheet", "main"]


def contact_sheet(
    dataset: Dataset, *, split: str = "train", per_class: int = 1, columns: int = 6
) -> Figure:
    """Draw the first images of every class, with class and attributes in words.

    Parameters
    ----------
    dataset
        What to show.
    split
        "train", "minival" or "test".
    per_class
        Images of each class.
    columns
        Images in a row.

    Returns
    -------
    Figure
        One cell an image, classes in order.

    Raises
    ------
    ConfigError
        If the split does not exist, if a count is below 1, or if a class has fewer than
        `per_class` images in the split.

    Examples
    --------
    >>> from core.data import load_dataset
    >>> len(contact_sheet(load_dataset("digits"), per_class=2).axes)
    20
    """
    splits = dict(dataset.splits())
    if split not in splits:
        known = ", ".join(repr(name) for name in splits)
        raise ConfigError(f"`split` must be one of {known}, but got {split!r}.")
    if per_class < 1:
        raise ConfigError(f"`per_class` must be at least 1, but got {per_class}.")
    part = splits[split]
    rows = _first_rows(dataset, part, per_class)
    (images_BCHW,) = part.images.batches([np.array(rows, dtype=np.int64)])
    cells = [
        Cell(
            image_CHW.permute(1, 2, 0).numpy(),
            dataset.class_names[part.labels_N[row]],
            attributes_in_words(dataset.attribute_names, part.attributes_NA[row]),
        )
        for row, image_CHW in zip(rows, images_BCHW, strict=True)
    ]
    return draw_sheet(cells, columns=columns)


def main(argv: Sequence[str] | None = None) -> int:
    """Write a contact sheet; the command's entry point."""
    parser = _parser()
    options = parser.parse_args(argv)
    out: Path = options.output
    if out.suffix.lower() not in FORMATS:
        parser.error(f"--output must end in {', '.join(FORMATS)}, but got {str(out)!r}.")
    if not out.parent.is_dir():
        parser.error(f"--output lies in {str(out.parent)!r}, which is no folder: make it first.")
    try:
        dataset = _load(options)
        figure = contact_sheet(
            dataset,
            split=options.split,
            per_class=options.per_class,
            columns=options.columns,
        )
        figure.savefig(out, dpi=DPI)
    except (CoreError, OSError) as error:
        parser.error(str(error))
    sys.stdout.write(f"{out}: {len(figure.axes)} images of {dataset.name}\n")
    return 0


def _first_rows(dataset: Dataset, part: Split, per_class: int) -> list[int]:
    rows: list[int] = []
    for label, class_name in enumerate(dataset.class_names):
        of_class = np.flatnonzero(part.labels_N == label)
        if len(of_class) < per_class:
            raise ConfigError(
                f"`per_class` must be at most the images of each class, but got {per_class}, and "
                f"{class_name!r} has {len(of_class)} here."
            )
        rows += of_class[:per_class].tolist()
    return rows


def _load(options: argparse.Namespace) -> Dataset:
    name = dataset_name(options.dataset, options.data)
    preset = dataset_preset(name, options.data)
    config = TrainConfig().replace({"dataset": name, **preset, **dict(options.set)})
    return load_dataset(
        name,
        data=options.data,
        images=config.image_options,
        split_seed=config.split_seed,
        cache_dir=options.cache_dir,
    )


def _parser() -> argparse.ArgumentParser:
    parser = OneLineParser(
        prog="python -m core.data.contact_sheet",
        description="Write a page of pictures from a dataset, each with its class and attributes.",
        epilog="example: python -m core.data.contact_sheet --dataset field_guide "
        "--set image_size=96 --output sheet.png",
        allow_abbrev=False,
    )
    parser.add_argument(
        "--dataset", help=f"one of {', '.join(DATASETS)} (default: what --data holds)"
    )
    parser.add_argument(
        "--output",
        required=True,
        type=Path,
        metavar="FILE",
        help="page to write: .png, .pdf or .svg",
    )
    parser.add_argument(
        "--split",
        choices=("train", "minival", "test"),
        default="train",
        help="split to show (default: train)",
    )
    parser.add_argument(
        "--per-class", type=int, default=1, metavar="N", help="images of each class (default: 1)"
    )
    parser.add_argument(
        "--columns", type=int, default=6, metavar="N", help="images in a row (default: 6)"
    )
    add_set_argument(parser)
    parser.add_argument("--data", metavar="PATH", help="where a packed dataset lies")
    parser.add_argument(
        "--cache-dir",
        metavar="DIR",
        help="folder for drawn images (default: $INTERSECTION_CACHE, or "
        "~/.cache/intersection-regularization)",
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
