"""The control "untrained": the same network before training, on the same images.

Eq. 3 is a maximum over n * 2^(r+1) candidates, so it rises with n and r without any training. What
a network scores above this was learnt.
"""

from itertools import islice

import torch
from torch.nn.modules.batchnorm import _BatchNorm

from core.config import TrainConfig
from core.config.options import CalibratedOptions
from core.data import Dataset, Split
from core.data.loader import BatchStream
from core.distributed import rank, world_size
from core.errors import ConfigError
from core.evaluation import Evaluation, evaluate
from core.methods import CalibratedRecognizer, calibration_split, create_state
from core.recognizer import Recognizer


def evaluate_untrained(
    config: TrainConfig,
    dataset: Dataset,
    *,
    device: torch.device | str = "cpu",
    num_batches: int = 16,
) -> Evaluation:
    """Score a network as `core.evaluation.evaluate` does, before it has learnt anything.

    When `torch.distributed` is initialised, every worker must call this; all get the same.

    Parameters
    ----------
    config
        That of the trained network: the first weights are those that it started from, pretrained
        ones included.
    dataset
        Images of `train` fix the ranges; `minival` and `test` are scored.
    device
        Where the network runs.
    num_batches
        See `untrained_model`.

    Returns
    -------
    Evaluation
        Without a tree's accuracies. The accuracies are those of a classifier that knows nothing.

    Raises
    ------
    ConfigError, DataError
        As `core.methods.create_state`; if `num_batches` is below 1.

    Examples
    --------
    >>> dataset = load_dataset("digits")  # doctest: +SKIP
    >>> before = evaluate_untrained(preset_config("digits"), dataset)  # doctest: +SKIP
    >>> gain = evaluation.fidelity.score - before.fidelity.score  # doctest: +SKIP
    """
    model = untrained_model(config, dataset, device=device, num_batches=num_batches)
    return evaluate(model, None, dataset)


def untrained_model(
    config: TrainConfig,
    dataset: Dataset,
    *,
    device: torch.device | str = "cpu",
    num_batches: int = 16,
) -> Recognizer:
    """Make a network with its first weights, ready to be evaluated.

    The quantizer's range and the normalisations' statistics are taken from the first batches of the
    first epoch, which the network sees in training mode; the range of what is quantized after
    training is fixed as it would be there. Statistics are plain means over these
    batches: the running means of a training would still hold most of what they were set to. Stages
    that are frozen keep theirs. No weight changes.

    Parameters
    ----------
    config
        Its seed and method give the first weights, its batch size the batches.
    dataset
        `train` is used; attributes and labels are not.
    device
        Where the network runs.
    num_batches
        At least 1; all of an epoch's where there are fewer.

    Raises
    ------
    ConfigError, DataError
        As `core.methods.create_state`; if `num_batches` is below 1.
    """
    if num_batches < 1:
        raise ConfigError(
            f"`num_batches` must be at least 1, but got {num_batches}: the quantizer has no range "
            "before its first batch."
        )
    state = create_state(
        config,
        in_channels=dataset.image_shape[0],
        num_classes=dataset.num_classes,
        device=device,
    )
    model = state.model
    _take_statistics(model, dataset.train, config, num_batches)
    has_range_to_fix = isinstance(config.method_options, CalibratedOptions)
    if isinstance(model, CalibratedRecognizer) and has_range_to_fix:
        model.calibrate(calibration_split(config, dataset), batch_size=config.batch_size)
    return model


def _take_statistics(
    model: Recognizer, train: Split, config: TrainConfig, num_batches: int
) -> None:
    batches = BatchStream(
        train,
        batch_size=config.batch_size,
        seed=config.seed,
        partition=config.partition,
        rank=rank(),
        world_size=world_size(),
    )
    device = next(model.parameters()).device
    model.train()
    normalisations = [
        module
        for module in model.modules()
        if isinstance(module, _BatchNorm) and module.training and module.track_running_stats
    ]
    momenta = [module.momentum for module in normalisations]
    for module in normalisations:
        module.reset_running_stats()
        module.momentum = None  # A plain mean, in torch's terms.
    # Dropout inside a trunk draws from the global generator.
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        torch.manual_seed(config.seed)
        for batch in islice(batches.epoch(0), num_batches):
            images_BCHW = batch.images_BCHW.to(device)
            # Of what is quantized after training there is no range yet.
            if isinstance(model, CalibratedRecognizer):
                model.answer(images_BCHW)
            else:
                model.recognize(images_BCHW)
    for module, momentum in zip(normalisations, momenta, strict=True):
        module.momentum = momentum
    model.eval()
