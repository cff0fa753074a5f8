"""A packed dataset cut into its splits, its images left where they are.

Shape letters: N samples, A attributes.
"""

from os import PathLike
from pathlib import Path

import numpy as np

from core.cache import default_cache_dir
from core.config import ImageOptions
from core.data.archives import ARCHIVES
from core.data.decoding import DecodePool, Decoder
from core.data.images import Rows
from core.data.packed import Manifest, attributes_of, localize, open_table, read_columns
from core.data.packed._pictures import PackedPictures
from core.data.packed._source import PackedImages
from core.data.splits import require_seed, stratified_group_holdout
from core.data.types import Dataset, Split
from core.errors import ConfigError, DataError

_MINIVAL_SHARE = 0.1
"""Of the training part."""


def load_packed(
    name: str,
    data: str | PathLike[str],
    *,
    images: ImageOptions,
    split_seed: int,
    cache_dir: str | PathLike[str] | None,
    loader_workers: int,
) -> Dataset:
    """Memory-map a packed dataset; see `core.data.load_dataset` for the arguments and errors."""
    require_seed("split_seed", split_seed)
    manifest = manifest_of(data, name)
    if manifest.shorter_side is not None and (images.resize_size or 0) > manifest.shorter_side:
        raise ConfigError(
            f"`resize_size` must be at most {manifest.shorter_side}, the size that {str(data)!r} "
            f"was packed at, but got {images.resize_size}: lower it, or pack at a larger size."
        )
    folder = localize(data, default_cache_dir() if cache_dir is None else cache_dir)
    table = open_table(folder)
    labels_N = table.column("label").to_numpy().astype(np.int64)
    attributes_NA = attributes_of(table, len(manifest.attribute_names))
    is_test_N = table.column("is_test").to_numpy()
    test, rest = np.flatnonzero(is_test_N), np.flatnonzero(~is_test_N)
    for part, rows in (("training", rest), ("test", test)):
        if not len(rows):
            raise DataError(f"{str(data)!r} must have images of both parts, but has no {part} one.")
    # Objects of one image share its pixels, so they stay on one side.
    together = "group" if manifest.has_groups else "file"
    _, group_N = np.unique(table.column(together).to_numpy(), return_inverse=True)
    is_minival = stratified_group_holdout(
        labels_N[rest], group_N[rest], round(_MINIVAL_SHARE * len(rest)), seed=split_seed
    )
    if not is_minival.any():
        raise DataError(
            f"{str(data)!r} must have enough training images to cut a tenth off for minival, but "
            f"has {len(rest)}."
        )
    pool = DecodePool(Decoder(PackedPictures(folder), images), num_workers=loader_workers)

    def part_of(rows: Rows) -> Split:
        return Split(
            images=PackedImages(pool, rows, fingerprint=manifest.fingerprint),
            labels_N=labels_N[rows],
            attributes_NA=attributes_NA[rows],
        )

    dataset = Dataset(
        name=name,
        class_names=manifest.class_names,
        attribute_names=manifest.attribute_names,
        train=part_of(rest[~is_minival]),
        minival=part_of(rest[is_minival]),
        test=part_of(test),
    )
    _check_attributes(dataset, data)
    return dataset


def _check_attributes(dataset: Dataset, data: str | PathLike[str]) -> None:
    """Refuse attributes that a finished training would find to be unmeasurable."""
    for split_name, split in dataset.splits():
        if dataset.attribute_names and not split.attributes_NA.any():
            raise DataError(
                f"At least one attribute must occur in every split, but none of the "
                f"{len(dataset.attribute_names)} of {str(data)!r} occurs in {split_name}. Choose "
                "another `split_seed` where it is minival, or pack without attributes."
            )


def manifest_of(data: str | PathLike[str], name: str | None = None) -> Manifest:
    """Read a packed dataset's manifest; one of another name than asked for is refused.

    Raises
    ------
    ConfigError, DataError
        As `Manifest.read`, with what to do about a folder that is no packed dataset.
    """
    shown = str(data)
    if "://" not in shown:
        asked = "packed dataset" if name is None else f"packed dataset {name!r}"
        if not Path(data).is_dir():
            raise DataError(
                f"`data` must be the folder, or s3:// or gs:// URI, of the {asked}, but {shown!r} "
                "is no folder."
            )
        if not (Path(data) / "manifest.json").is_file():
            reader = name if name in ARCHIVES else "folder"
            raise DataError(
                f"{shown!r} has no manifest.json, so it is no packed dataset. If it is what one is "
                f"made of, run `python -m core.data.pack {reader} --root {shown} --output PATH`, "
                "and give PATH; if packing was interrupted, run the same command again."
            )
    manifest = Manifest.read(data)
    if name is not None and manifest.name != name:
        raise DataError(
            f"{shown!r} must hold the packed dataset {name!r}, but holds {manifest.name!r}."
        )
    return manifest


def median_side(data: str | PathLike[str]) -> int:
    """Median over the images of the shorter side, in pixels."""
    table = read_columns(data, ["height", "width"])
    sides_N = np.minimum(table["height"].to_numpy(), table["width"].to_numpy())
    return int(np.median(sides_N))
