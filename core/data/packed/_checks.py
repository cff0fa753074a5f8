"""What is refused before any image is read."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from core.data.archives import Archive
from core.errors import ConfigError, DataError


def check_settings(
    shorter_side: int | None,
    quality: int,
    rows_per_shard: int,
    num_workers: int,
    max_unreadable: float,
    options: Mapping[str, Any],
) -> None:
    """Refuse settings outside their range.

    Raises
    ------
    ConfigError
        With the rule and the value.
    """
    for name, value in (
        ("shorter_side", 1 if shorter_side is None else shorter_side),
        ("rows_per_shard", rows_per_shard),
        ("num_workers", num_workers),
    ):
        if value < 1:
            raise ConfigError(f"`{name}` must be at least 1, but got {value}.")
    if not 1 <= quality <= 95:
        raise ConfigError(f"`quality` must lie in [1, 95], but got {quality}.")
    if not 0 <= max_unreadable <= 1:
        raise ConfigError(f"`max_unreadable` must lie in [0, 1], but got {max_unreadable}.")
    try:
        json.dumps(options)
    except (TypeError, ValueError) as error:
        raise ConfigError(
            f"`options` must be what JSON can hold, but got {options!r}: {error}."
        ) from error


def check_archive(archive: Archive) -> None:
    """Refuse an archive that the packed form has no place for.

    Raises
    ------
    DataError
        With what it lacks.
    """
    for kind, names in (("class", archive.class_names), ("attribute", archive.attribute_names)):
        repeated = sorted({name for name in names if names.count(name) > 1})
        if repeated:
            raise DataError(
                f"Each {kind} of {archive.name!r} must have a name of its own, but {repeated[0]!r} "
                f"occurs {names.count(repeated[0])} times."
            )
    if archive.crops and archive.boxes_N4 is None:
        raise DataError(f"{archive.name!r} crops its objects, but has no boxes.")
    if not Path(archive.root).is_dir():
        raise DataError(
            f"{archive.name!r} must lie in a folder, but {str(archive.root)!r} is none."
        )
