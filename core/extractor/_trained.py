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
from core.model import IntersectionModel, build_model
from core.tree import DecisionTree, load_tree, save_tree

VERSION = 1
"""Of the format. Raised when an older reader would go wrong on a newer folder."""

SETTINGS_FILE = "extractor.json"
WEIGHTS_FILE = "weights.safetensors"
TREE_FILE = "tree.json"
_FILES = (SETTINGS_FILE, WEIGHTS_FILE, TREE_FILE)
_KEYS = ("config", "input_shape", "classes", "matches", "scaling")


@dataclass(frozen=True, kw_only=True, eq=False)
class TrainedExtractor:
    """F, q, G and T with all that is needed to run them on new samples and to name results."""

    config: TrainConfig
    model: IntersectionModel
    tree: DecisionTree

    classes: npt.NDArray[Any]
    """(K,) What a prediction is called: class names, or the labels that `fit` was given."""

    input_shape: ImageShape
    """(channels, height, width) of the images; (M, 1, 1) for vectors."""

    matches: tuple[AttributeMatch, ...] = ()
    """Attributes that were measured, each with its best entry of b(v)."""

    scaling: VectorScaling | None = None
    """Standardisation of vectors; None for images."""

    def write(self, folder: Path) -> None:
        """Write the three files into a folder that exists.

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
            },
            indent=2,
        )
        weights = {key: tensor.cpu().contiguous() for key, tensor in self._weights().items()}
        save_file(weights, folder / WEIGHTS_FILE)
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
        missing = [name for name in _FILES if not (path / name).is_file()]
        if missing:
            there = "is no folder" if not path.is_dir() else f"lacks {', '.join(missing)}"
            raise DataError(
                f"{str(path)!r} {there}: give a folder that `save` wrote, or a trial's artifacts, "
                f"with {', '.join(_FILES)}."
            )
        values = _read_settings(path / SETTINGS_FILE)
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
        model = build_model(
            config, in_channels=channels, num_classes=len(classes), load_weights=False
        )
        _load_weights(model, path / WEIGHTS_FILE)
        trained = cls(
            config=config,
            model=model.to(device).eval(),
            tree=load_tree(path / TREE_FILE),
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
        sizes = (self.config.feature_dim, self.config.num_levels, len(self.classes))
        of_tree = (self.tree.num_features, self.tree.num_levels, self.tree.num_classes)
        if of_tree != sizes:
            raise DataError(
                f"The tree in {str(path)!r} must have the network's features, levels and classes, "
                f"{sizes}, but has {of_tree}: the files come from different runs."
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


def _load_weights(model: IntersectionModel, file: Path) -> None:
    try:
        weights = load_file(file)
    except SafetensorError as error:
        raise DataError(f"{str(file)!r} is no safetensors file: {error}") from error
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
