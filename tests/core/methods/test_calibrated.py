"""Levels of networks that are trained without a quantizer."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Self

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from core.config import TrainConfig
from core.config.options import CalibratedOptions
from core.data import Dataset
from core.data.loader import Batch
from core.errors import CoreError
from core.evaluation import evaluate
from core.methods._calibrated import Answer, CalibratedMethod, CalibratedRecognizer
from core.predict import predict_over_workers, predict_split
from core.quantize import CalibratedQuantizer
from core.training import EpochEnd, Step, Timer, TrainState, fit, sgd
from tests.core.methods.problems import striped
from tests.core.small import small_config
from tests.core.workers import in_workers


class Pixels(CalibratedRecognizer):
    """Its features are the images' columns, summed, and a classifier reads them."""

    def __init__(self, *, num_classes: int = 4, offset: float = 0.0) -> None:
        super().__init__()
        self.num_classes, self.feature_dim, self.num_levels = num_classes, 8, 16
        self.offset = offset
        self.quantizer = CalibratedQuantizer(4)
        self.classifier = nn.Linear(8, num_classes)

    def answer(self, images_BCHW: Tensor) -> Answer:
        features_BN = images_BCHW.float().mean((1, 2)) / 255 + self.offset
        return Answer(features_BN, lambda x_BN: self.classifier(x_BN).softmax(1))


class PixelsMethod(CalibratedMethod):
    def __init__(self, config: TrainConfig, model: Pixels) -> None:
        self.config, self.model = config, model
        group = {"params": list(model.parameters()), "scale": 1.0}
        self.optimizers = {"all": sgd(config, [group])}

    @classmethod
    def create(
        cls, config: TrainConfig, *, in_channels: int, num_classes: int, device: torch.device
    ) -> Self:
        return cls(config, Pixels(num_classes=num_classes))

    def step(self, batch: Batch, at: Step) -> Mapping[str, float]:
        return {"label": 0.0}


def ranges(dataset: Dataset, *, batch_size: int, offset: float = 0.0) -> tuple[float, float]:
    """The range by numpy, batch by batch."""
    features = dataset.minival.images_NCHW.mean((1, 2)) / 255 + offset
    parts = [features[i : i + batch_size] for i in range(0, len(features), batch_size)]
    return (
        float(np.mean([part.min() for part in parts])),
        float(np.mean([part.max() for part in parts])),
    )


@pytest.mark.parametrize("batch_size", [5, 16, 1000])
def test_the_range_is_that_of_minivals_batches(batch_size: int) -> None:
    dataset, model = striped(), Pixels()
    model.calibrate(dataset.minival, batch_size=batch_size)
    found = model.quantizer.low.item(), model.quantizer.high.item()
    assert found == pytest.approx(ranges(dataset, batch_size=batch_size), rel=1e-5)
    assert model.training, "the mode is put back"


def test_without_calibration_there_are_no_levels() -> None:
    with pytest.raises(CoreError, match="no range yet"):
        Pixels().recognize(torch.zeros(1, 1, 8, 8))


@pytest.mark.parametrize("offset", [0.0, 5.0, -9.0])
def test_levels_and_both_accuracies_are_those_of_the_features(offset: float) -> None:
    dataset, model = striped(), Pixels(offset=offset)
    with torch.no_grad():
        model.classifier.weight.mul_(30)
    model.calibrate(dataset.minival, batch_size=16)
    outputs = predict_split(model, dataset.test)
    low, high = ranges(dataset, batch_size=16, offset=offset)
    shift = low if low > 0 else min(high, 0)
    step = (high - low) / 15
    features = dataset.test.images_NCHW.mean((1, 2)) / 255 + offset
    levels = np.clip(np.round((features - shift) / step + np.round(-(low - shift) / step)), 0, 15)
    assert outputs.levels_ND is not None
    assert np.mean(outputs.levels_ND == levels) > 0.99  # but for rounding
    assert len(np.unique(outputs.levels_ND)) > 8

    numbers = (levels - np.round(-(low - shift) / step)) * step + shift
    weight, bias = (p.detach().numpy() for p in model.classifier.parameters())
    evaluation = evaluate(model, None, dataset)
    for said, x in (
        (evaluation.test_accuracy, features),
        (evaluation.test_quantized_accuracy, numbers),
    ):
        assert said == pytest.approx(
            np.mean((x @ weight.T + bias).argmax(1) == dataset.test.labels_N), abs=0.05
        )
    assert evaluation.minival_quantized_accuracy is not None
    used = [len(np.unique(column)) for column in outputs.levels_ND.T]
    assert evaluation.used_levels == pytest.approx(np.mean(used))
    assert {"test_quantized_accuracy", "used_levels"} <= evaluation.scalars().keys()


class TrainOptions(CalibratedOptions):
    method = "intersection"


@pytest.mark.parametrize("calibrate", ["minival", "train"])
def test_an_epoch_ends_with_the_range_of_the_split_that_the_option_names(
    calibrate: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    options = TrainOptions(calibrate=calibrate)  # type: ignore[arg-type]
    monkeypatch.setattr(TrainConfig, "method_options", property(lambda _: options))
    dataset, config = striped(), small_config(num_epochs=1, batch_size=16)
    method = PixelsMethod(config, Pixels())
    timer = Timer()
    method.end_epoch(EpochEnd(epoch=0, train=dataset.train, minival=dataset.minival, timer=timer))
    expected = Pixels()
    expected.calibrate(getattr(dataset, calibrate), batch_size=16)
    other = Pixels()
    other.calibrate(dataset.test, batch_size=16)
    found = method.model.quantizer.state_dict()
    assert all(torch.equal(found[k], v) for k, v in expected.quantizer.state_dict().items())
    assert not torch.equal(found["high"], other.quantizer.high)
    assert timer.seconds.keys() == {"validation"}
    method.write_files(tmp_path)
    written = json.loads((tmp_path / "calibration.json").read_text())
    assert written.keys() == {"low", "high", "shift"}
    assert written["high"] == found["high"].item()


def test_a_run_calibrates_before_minival_is_predicted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(TrainConfig, "method_options", property(lambda _: TrainOptions()))
    dataset, config = striped(), small_config(num_epochs=1)
    state = TrainState(config=config, method=PixelsMethod(config, Pixels()))
    (result,) = fit(state, dataset)
    assert result.minival.levels_ND is not None
    assert result.minival.quantized_probabilities_NK is not None


def _calibrate(rank: int, world_size: int, folder: str) -> None:
    torch.manual_seed(0)
    model, dataset = Pixels(), striped()
    # Seven batches for two workers; and one for two, one of which has nothing to do.
    for batch_size in (7, 1000):
        model.calibrate(dataset.minival, batch_size=batch_size)
        outputs = predict_over_workers(model, dataset.minival)
        values = {**model.quantizer.state_dict(), "levels": torch.from_numpy(outputs.levels_ND)}
        values["quantized"] = torch.from_numpy(outputs.quantized_probabilities_NK)
        torch.save(values, f"{folder}/{world_size}-{rank}-{batch_size}.pt")


def test_workers_calibrate_as_one_does(tmp_path: Path) -> None:
    _calibrate(0, 1, str(tmp_path))
    in_workers(_calibrate, 2, str(tmp_path))
    for batch_size in (7, 1000):
        alone, *both = (
            torch.load(tmp_path / f"{name}-{batch_size}.pt", weights_only=True)
            for name in ("1-0", "2-0", "2-1")
        )
        for other in both:
            assert all(torch.equal(other[name], value) for name, value in alone.items())
