"""Jigsaw pretraining from a config to a file of weights, that can be stopped and goes on."""

from collections.abc import Callable
from pathlib import Path

import torch

from core.config import TrainConfig
from core.data import Dataset
from core.errors import ConfigError, DataError
from core.methods import create_state
from core.methods.jigsaw import JigsawModel, write_trunk
from core.training import EpochResult, TrainState, fit


def pretrain_to_file(
    config: TrainConfig,
    dataset: Dataset,
    out: Path,
    *,
    device: torch.device | str = "cpu",
    on_epoch: Callable[[EpochResult], None] = lambda result: None,
) -> TrainState:
    """Pretrain a trunk and write its weights, for `weights=FILE`.

    After each epoch all of it is saved beside the file, under the suffix ".checkpoint.pt"; the same
    call goes on from there, and removes it at the end.

    Parameters
    ----------
    config
        With a PMG trunk. It is trained by the method "jigsaw", whichever it names, and for all of
        its epochs, as PMG's authors do.
    dataset
        `train` is trained on, `minival` is scored.
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
    config = config.replace({"method": "jigsaw", "drops_to_stop": None})
    state = create_state(
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
    for result in fit(state, dataset):
        values = {"state": state.state_dict(), "fingerprint": dataset.fingerprint}
        _write(checkpoint, lambda path, values=values: torch.save(values, path))  # type: ignore[misc]
        on_epoch(result)
    model, metadata = model_of(state), {"dataset": dataset.fingerprint}
    _write(out, lambda path: write_trunk(model, path, config=config, metadata=metadata))
    checkpoint.unlink(missing_ok=True)
    return state


def model_of(state: TrainState) -> JigsawModel:
    """The network that a state of the method "jigsaw" trains."""
    if not isinstance(state.model, JigsawModel):
        raise TypeError(f"The state trains {state.config.method!r}.")
    return state.model


def _write(path: Path, save: Callable[[Path], None]) -> None:
    # A file that was cut off by a crash would pass for a whole one.
    part = path.with_name(path.name + ".part")
    save(part)
    part.replace(path)
