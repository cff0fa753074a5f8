"""Jigsaw pretraining from a config to a file of weights, that can be stopped and goes on."""

import json
from collections.abc import Callable
from pathlib import Path

import torch
from safetensors.torch import save_file

from core.config import TrainConfig
from core.data import Dataset
from core.errors import ConfigError, DataError
from core.jigsaw._pretrain import JigsawEpoch, JigsawState, pretrain_jigsaw


def pretrain_to_file(
    config: TrainConfig,
    dataset: Dataset,
    out: Path,
    *,
    device: torch.device | str = "cpu",
    on_epoch: Callable[[JigsawEpoch], None] = lambda result: None,
) -> JigsawState:
    """Pretrain a trunk and write its weights, for `weights=FILE`.

    After each epoch all of it is saved beside the file, under the suffix ".checkpoint.pt"; the same
    call goes on from there, and removes it at the end.

    Parameters
    ----------
    config
        As `JigsawState` takes it.
    dataset
        As `pretrain_jigsaw` takes it.
    out
        A path that ends in .safetensors, in a folder that exists.
    device
        Where to train.
    on_epoch
        Called with each new result.

    Raises
    ------
    ConfigError
        If `out` or the config is not legal.
    DataError
        If the checkpoint beside `out` belongs to another config or other data.
    """
    if out.suffix != ".safetensors" or not out.parent.is_dir():
        raise ConfigError(
            "The file to write must end in .safetensors and lie in a folder that exists, but is "
            f"{str(out)!r}."
        )
    state = JigsawState(
        config,
        in_channels=dataset.image_shape[0],
        num_classes=dataset.num_classes,
        device=device,
    )
    checkpoint = out.with_suffix(".checkpoint.pt")
    if checkpoint.exists():
        saved = torch.load(checkpoint, map_location=device, weights_only=True)
        if saved["fingerprint"] != dataset.fingerprint:
            raise DataError(
                f"The checkpoint {str(checkpoint)!r} belongs to other data: remove it, or write "
                "to another file."
            )
        state.load_state_dict(saved["state"])
    for result in pretrain_jigsaw(state, dataset):
        values = {"state": state.state_dict(), "fingerprint": dataset.fingerprint}
        _write(checkpoint, lambda path, values=values: torch.save(values, path))  # type: ignore[misc]
        on_epoch(result)
    weights = {name: tensor.cpu().contiguous() for name, tensor in state.trunk.state_dict().items()}
    metadata = {"config": json.dumps(config.to_dict()), "dataset": dataset.fingerprint}
    _write(out, lambda path: save_file(weights, path, metadata=metadata))
    checkpoint.unlink(missing_ok=True)
    return state


def _write(path: Path, save: Callable[[Path], None]) -> None:
    # A file that was cut off by a crash would pass for a whole one.
    part = path.with_name(path.name + ".part")
    save(part)
    part.replace(path)
