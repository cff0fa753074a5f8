"""A trained trunk as a file for `weights=FILE`."""

import json
from collections.abc import Mapping
from pathlib import Path

from safetensors.torch import save_file

from core.config import TrainConfig
from core.methods.jigsaw._model import JigsawModel

TRUNK_FILE = "trunk.safetensors"
"""Its name among a run's artifacts."""


def write_trunk(
    model: JigsawModel, file: Path, *, config: TrainConfig, metadata: Mapping[str, str]
) -> None:
    """Write the trunk's weights alone.

    Parameters
    ----------
    model
        Its classifiers are left out.
    file
        In a folder that exists.
    config
        What the trunk was trained by, kept in the file.
    metadata
        Kept beside it.
    """
    weights = {name: t.cpu().contiguous() for name, t in model.trunk.state_dict().items()}
    save_file(weights, file, metadata={"config": json.dumps(config.to_dict()), **metadata})
