"""What a finished run comes to, and its form on disk: extractor.json, weights and tree.

No file can hold code, so a folder from anywhere is safe to read.

Shape letter: M input features.
"""

import json
import os
import shutil
import uuid
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from core.config import TrainConfig
from core.errors import DataError
from core.extractor._inputs import ImageShape, VectorScaling
from core.extractor._matches import AttributeMatch
from core.recognizer import Recognizer
from core.tree import DecisionTree, load_tree, save_tree

VERSION = 1
"""Of the format. Raised when an older reader would go wrong on a newer folder."""

SETTINGS_FILE = "extractor.json"
WEIGHTS_FILE = "weights.safetensors"
TREE_FILE = "tree.json"
CONFIG_FILE = "config.json"
"""Every run leaves it, whatever its method."""

_FILES = (SETTINGS_FILE, WEIGHTS_FILE, TREE_FILE)
_KEYS = ("config", "input_shape", "classes", "matches", "scaling")


@dataclass(frozen=True, kw_only=True, eq=False)
class TrainedExtractor:
    """A network with levels and its tree, with what it takes to run them and to name results."""

    config: TrainConfig
    model: Recognizer

    tree: DecisionTree | None
    """T; None for a method without a tree, which then gives no reasons."""

    classes: npt.NDArray[Any]
    """(K,) What a prediction is called: class names, or the labels that `fit` was given."""

    input_shape: ImageShape
    """(channels, height, width) of the images; (M, 1, 1) for vectors."""

    matches: tuple[AttributeMatch, ...] = ()
    """Attributes that were measured, each with its best entry of b(v)."""

    scaling: VectorScaling | None = None
    """Standardisation of vectors; None for images."""

    @property
    def num_features(self) -> int:
        """N of the network's levels, which need not be the config's n."""
        return _sizes(self.model)[0]

    def write(self, folder: Path) -> None:
        """Write the files into a folder that exists.

        Raises
        ------
        DataError
            If the classes are of a type that JSON does not know.
        """
        settings = json.dumps(
            {
                "version": VERSION,
                "config": self.config.to_dict(),
                "input_shape": list(self.input_shape),
                "classes": _pack_classes(self.classes),
                "matches": [asdict(match) for match in self.matches],
                "scaling": _pack_scaling(self.scaling),
                "tree": self.tree is not None,
            },
            indent=2,
        )
        weights = {key: tensor.cpu().contiguous() for key, tensor in self._weights().items()}
        save_file(weights, folder / WEIGHTS_FILE)
        if self.tree is not None:
            save_tree(self.tree, folder / TREE_FILE)
        (folder / SETTINGS_FILE).write_text(settings)

    def save(self, path: Path | str) -> None:
        """Write a new folder, in one step: it is there with everything, or not at all.

        Raises
        ------
        DataError
            If there is something at the path already.
        """
        path = Path(path)
        if path.exists() and not (path.is_dir() and not any(path.iterdir())):
            raise DataError(
                f"{str(path)!r} exists already: give a new folder, or remove it before."
            )
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.parent / f".{path.name}.{uuid.uuid4().hex}.part"
        partial.mkdir()
        try:
            self.write(partial)
            os.rename(partial, path)
        finally:
            shutil.rmtree(partial, ignore_errors=True)

    @classmethod
    def load(cls, path: Path | str, *, device: torch.device | str = "cpu") -> "TrainedExtractor":
        """Read a folder that `save` or a finished trial wrote.

        Raises
        ------
        DataError
            If the folder or a file is missing, is of another version, or if the parts do not fit
            together.
        """
        path = Path(path)
        # Methods bring numba, which takes half a second to import.
        from core.methods import METHODS

        values = _read_folder(path)
        try:
            config = TrainConfig.from_dict(values["config"])
            channels, height, width = (int(size) for size in values["input_shape"])
            classes = _unpack_classes(values["classes"])
            matches = tuple(AttributeMatch(**match) for match in values["matches"])
            scaling = _unpack_scaling(values["scaling"])
        except (KeyError, TypeError, ValueError) as error:
            raise DataError(
                f"{str(path / SETTINGS_FILE)!r} is not as `save` writes it: {error}"
            ) from error
        model = METHODS[config.method].build_model(
            config, in_channels=channels, num_classes=len(classes)
        )
        _load_weights(model, path / WEIGHTS_FILE)
        trained = cls(
            config=config,
            model=model.to(device).eval(),
            tree=load_tree(path / TREE_FILE) if _has_tree(values) else None,
            classes=classes,
            input_shape=(channels, height, width),
            matches=matches,
            scaling=scaling,
        )
        trained._check_fit(path)
        return trained

    def _weights(self) -> dict[str, torch.Tensor]:
        weights: dict[str, torch.Tensor] = self.model.state_dict()
        return weights

    def _check_fit(self, path: Path) -> None:
        """Refuse a tree or matches of another network."""
        num_features, num_levels = _sizes(self.model)
        sizes = (num_features, num_levels, len(self.classes))
        if self.tree is not None:
            of_tree = (self.tree.num_features, self.tree.num_levels, self.tree.num_classes)
            if of_tree != sizes:
                raise DataError(
                    f"The tree in {str(path)!r} must have the network's features, levels and "
                    f"classes, {sizes}, but has {of_tree}: the files come from different runs."
                )
        for match in self.matches:
            if not (0 <= match.feature < sizes[0] and 0 <= match.level < sizes[1]):
                raise DataError(
                    f"{str(path / SETTINGS_FILE)!r} matches {match.attribute!r} with feature "
                    f"{match.feature} at level {match.level}, but there are {sizes[0]} features "
                    f"of {sizes[1]} levels."
                )
        if self.scaling is not None and self.input_shape != (len(self.scaling.mean_M), 1, 1):
            raise DataError(
                f"{str(path / SETTINGS_FILE)!r} scales {len(self.scaling.mean_M)} features, but "
                f"inputs have shape {self.input_shape}."
            )


def _read_folder(path: Path) -> Mapping[str, Any]:
    """The settings of a folder that has all of its files."""
    missing = [name for name in _FILES if not (path / name).is_file()]
    if SETTINGS_FILE in missing and (path / CONFIG_FILE).is_file():
        raise DataError(
            f"{str(path)!r} holds a run whose network has no levels, so there is nothing to "
            f"extract (see `method` in {CONFIG_FILE}): give the folder of a method with levels."
        )
    if SETTINGS_FILE not in missing and TREE_FILE in missing:
        if _has_tree(_read_settings(path / SETTINGS_FILE)):
            raise _lacking(path, missing)
        missing.remove(TREE_FILE)
    if missing:
        raise _lacking(path, missing)
    return _read_settings(path / SETTINGS_FILE)


def _lacking(path: Path, missing: list[str]) -> DataError:
    there = "is no folder" if not path.is_dir() else f"lacks {', '.join(missing)}"
    return DataError(
        f"{str(path)!r} {there}: give a folder that `save` wrote, or a trial's artifacts, with "
        f"{', '.join(_FILES)}."
    )


def _has_tree(settings: Mapping[str, Any]) -> bool:
    # Folders of before there were methods without a tree do not say.
    return bool(settings.get("tree", True))


def _sizes(model: Recognizer) -> tuple[int, int]:
    """Features and levels of a network that has them."""
    if model.feature_dim is None or model.num_levels is None:
        raise DataError(
            f"A network must have levels to extract, but {type(model).__name__} has none: use one "
            "of a method with levels."
        )
    return model.feature_dim, model.num_levels


def _read_settings(file: Path) -> Mapping[str, Any]:
    try:
        values = json.loads(file.read_text())
    except ValueError as error:
        raise DataError(f"{str(file)!r} is no JSON: {error}") from error
    version = values.get("version") if isinstance(values, dict) else None
    if version != VERSION:
        raise DataError(
            f"{str(file)!r} must be of version {VERSION}, but is of version {version!r}: read it "
            "with the release that wrote it."
        )
    missing = [key for key in _KEYS if key not in values]
    if missing:
        raise DataError(f"{str(file)!r} lacks {', '.join(missing)}.")
    settings: Mapping[str, Any] = values
    return settings


def _load_weights(model: Recognizer, file: Path) -> None:
    try:
        weights = load_file(file)
    except SafetensorError as error:
        raise DataError(f"{str(file)!r} is no safetensors file: {error}") from error
    model.grow_like(weights)
    expected = model.state_dict()
    wrong = [f"{key} is missing" for key in expected if key not in weights]
    wrong += [f"{key} is not of this model" for key in weights if key not in expected]
    wrong += [
        f"{key} has shape {tuple(weights[key].shape)} instead of {tuple(tensor.shape)}"
        for key, tensor in expected.items()
        if key in weights and weights[key].shape != tensor.shape
    ]
    if wrong:
        shown = "; ".join(wrong[:5])
        more = f"; and {len(wrong) - 5} more" if len(wrong) > 5 else ""
        raise DataError(f"{str(file)!r} does not fit its config: {shown}{more}.")
    model.load_state_dict(weights)


def _pack_classes(classes: npt.NDArray[Any]) -> dict[str, Any]:
    values = classes.tolist()
    if not all(isinstance(value, str | int | float) for value in values):
        kinds = sorted({type(value).__name__ for value in values})
        raise DataError(
            f"Classes must be strings, numbers or booleans to be saved, but are {', '.join(kinds)}."
        )
    return {"dtype": classes.dtype.str, "values": values}


def _unpack_classes(packed: Mapping[str, Any]) -> npt.NDArray[Any]:
    return np.array(packed["values"], dtype=np.dtype(packed["dtype"]))


def _pack_scaling(scaling: VectorScaling | None) -> dict[str, Any] | None:
    if scaling is None:
        return None
    return {
        "mean": scaling.mean_M.tolist(),
        "scale": scaling.scale_M.tolist(),
        "names": None if scaling.names is None else list(scaling.names),
    }


def _unpack_scaling(packed: Mapping[str, Any] | None) -> VectorScaling | None:
    if packed is None:
        return None
    return VectorScaling(
        mean_M=np.array(packed["mean"], dtype=np.float64),
        scale_M=np.array(packed["scale"], dtype=np.float64),
        names=None if packed["names"] is None else tuple(packed["names"]),
    )
