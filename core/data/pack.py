"""Pack an archive on disk, or pictures of one's own, into the form that training reads.

``python -m core.data.pack cub --root DIR --output packed/cub``
``python -m core.data.pack folder --root PICTURES --output packed/birds``

``--output`` may be a URI, such as ``s3://bucket/cub`` or ``gs://bucket/cub``. Interrupted, the same
command goes on with what is left.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from typing import Any

from rich.console import Console
from rich.markup import escape

from core.command import OneLineParser, shown_size
from core.data.archives import OWN_READERS, READERS, Archive, read_archive
from core.data.packed import (
    DEFAULT_MAX_UNREADABLE,
    DEFAULT_QUALITY,
    DEFAULT_ROWS_PER_SHARD,
    DEFAULT_SHORTER_SIDE,
    Manifest,
    pack,
)
from core.data.packed.progress import PackingProgress
from core.data.registry import DATASETS
from core.errors import ConfigError, CoreError

__all__ = ["main"]

_EXIT_OK, _EXIT_INTERRUPTED = 0, 130
_UNCHANGED = "none"


def main(argv: Sequence[str] | None = None) -> int:
    """Pack an archive; the command's entry point.

    Returns 0 when the dataset is packed and 130 after Ctrl-C; everything else exits with 2 and one
    line that says what to mend.
    """
    parser = _parser()
    options = parser.parse_args(argv)
    try:
        reader_options = _reader_options(options)
        console = Console(stderr=True, highlight=False)
        # Of one's own pictures each is opened to look for near duplicates.
        with console.status(f"Reading {escape(options.root)}"):
            archive = read_archive(options.reader, options.root, **reader_options)
        if options.reader in OWN_READERS:
            _check_own_name(archive.name)
        _tell_oddities(archive)
        with PackingProgress(console) as progress:
            manifest = pack(
                archive,
                options.output,
                shorter_side=options.shorter_side,
                quality=options.quality,
                rows_per_shard=options.rows_per_shard,
                num_workers=options.workers,
                max_unreadable=options.max_unreadable,
                options=reader_options,
                on_progress=progress,
            )
    except (CoreError, OSError) as error:
        parser.error(str(error))
    except KeyboardInterrupt:
        sys.stderr.write(
            "Interrupted. Run the same command again to go on with what is left.\n",
        )
        return _EXIT_INTERRUPTED
    sys.stdout.write(_summary(manifest, "Packed" if progress.has_begun else "Already packed"))
    return _EXIT_OK


def _reader_options(given: argparse.Namespace) -> dict[str, Any]:
    options: dict[str, Any] = {}
    if given.name is not None:
        if given.reader not in OWN_READERS:
            raise ConfigError(
                f"--name is for {' and '.join(OWN_READERS)}, but {given.reader!r} has its own name."
            )
        options["dataset_name"] = given.name
    for key, value in given.option:
        if key in ("name", "root"):
            raise ConfigError(f"--option is for the reader's own options, and {key!r} is none.")
        if key in options:
            raise ConfigError(f"--option {key} must be given once, but is given again.")
        options[key] = value
    return options


def _check_own_name(name: str) -> None:
    """Refuse the name of a data set that is known: its preset and the paper's numbers are not ours.

    Raises
    ------
    ConfigError
    """
    if name in DATASETS:
        raise ConfigError(
            f"A data set of one's own must have a name of its own, but {name!r} is one of "
            f"{', '.join(DATASETS)}: give another with --name."
        )


def _tell_oddities(archive: Archive) -> None:
    for check in archive.checks:
        if not check.agrees:
            sys.stdout.write(
                f"differs: {check.what}: published {check.published}, found {check.found}\n"
            )
    for warning in archive.warnings:
        sys.stdout.write(f"warning: {warning}\n")


def _summary(manifest: Manifest, verb: str) -> str:
    return (
        f"{verb} {manifest.num_rows} images of {manifest.name} in {len(manifest.shards)} shards, "
        f"{shown_size(manifest.num_bytes)}: {manifest.num_train} train, {manifest.num_test} test, "
        f"{len(manifest.skipped)} unreadable.\nfingerprint {manifest.fingerprint}\n"
    )


def _size(text: str) -> int | None:
    if text == _UNCHANGED:
        return None
    try:
        return int(text)
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"must be a number of pixels or {_UNCHANGED!r}, but got {text!r}"
        ) from None


def _option(text: str) -> tuple[str, Any]:
    key, equals, value = text.partition("=")
    if not (key and equals):
        raise argparse.ArgumentTypeError(f"must be KEY=VALUE, but got {text!r}")
    try:
        return key, json.loads(value)
    except json.JSONDecodeError:
        return key, value  # a plain word, such as all


def _parser() -> argparse.ArgumentParser:
    parser = OneLineParser(
        prog="python -m core.data.pack",
        description="Pack the images, classes, split and attributes of an archive as Arrow files.",
        epilog="example: python -m core.data.pack folder --root PICTURES --output packed/birds "
        "--option attributes=birds.csv",
        allow_abbrev=False,
    )
    parser.add_argument(
        "reader", metavar="READER", help=f"what lies in --root: one of {', '.join(READERS)}"
    )
    parser.add_argument(
        "--root",
        required=True,
        metavar="DIR",
        help="folder of the archive, as it unpacks, or of class folders, or a Parquet file or a "
        "folder of some; not a packed dataset, whose place is --data",
    )
    parser.add_argument(
        "--name", help="of a data set of one's own (default: that of the folder or file)"
    )
    parser.add_argument(
        "--output", required=True, metavar="PATH", help="folder to write, or s3://... or gs://..."
    )
    parser.add_argument(
        "--shorter-side",
        type=_size,
        default=DEFAULT_SHORTER_SIDE,
        metavar="PIXELS",
        help="reduce the shorter side to this, never enlarge; none keeps images as they are "
        f"(default: {DEFAULT_SHORTER_SIDE})",
    )
    parser.add_argument(
        "--quality",
        type=int,
        default=DEFAULT_QUALITY,
        metavar="N",
        help="quality of JPEGs that are written, 1 to 95; an image that needs no change keeps its "
        f"bytes (default: {DEFAULT_QUALITY})",
    )
    parser.add_argument(
        "--rows-per-shard",
        type=int,
        default=DEFAULT_ROWS_PER_SHARD,
        metavar="N",
        help=f"images in a file (default: {DEFAULT_ROWS_PER_SHARD})",
    )
    parser.add_argument(
        "--workers", type=int, metavar="N", help="processes that read images (default: one a core)"
    )
    parser.add_argument(
        "--max-unreadable",
        type=float,
        default=DEFAULT_MAX_UNREADABLE,
        metavar="SHARE",
        help="share of all images that may be unreadable, 0 to 1 "
        f"(default: {DEFAULT_MAX_UNREADABLE:g})",
    )
    parser.add_argument(
        "--option",
        type=_option,
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="option of the reader, such as objects=one-per-image, attributes=FILE.csv or "
        "test_share=0.2; may be repeated",
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
