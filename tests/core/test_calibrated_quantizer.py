"""Levels of a network that was trained without a quantizer."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from core.errors import ConfigError, CoreError, DataError
from core.quantize import CalibratedQuantizer, UniformQuantizer, dequantize, quantize


def calibrated(low: float, high: float, *, num_bits: int = 4) -> CalibratedQuantizer:
    quantizer = CalibratedQuantizer(num_bits)
    quantizer.calibrate(torch.tensor([float(low)]), torch.tensor([float(high)]))
    return quantizer


@pytest.mark.parametrize(("low", "high", "shift"), [(5, 9, 5), (-9, -5, -5), (-2, 3, 0)])
def test_a_range_on_one_side_of_zero_keeps_all_levels(
    low: float, high: float, shift: float
) -> None:
    features = torch.linspace(low, high, 1601, dtype=torch.float64)[None]
    quantizer = calibrated(low, high)
    levels = quantizer(features)
    assert quantizer.shift.item() == shift
    # Equally wide bins, worked out with numpy; the zero point may move them by half a bin.
    zero = np.round(-(low - shift) * 15 / (high - low))
    expected = np.clip(np.round((features[0].numpy() - shift) * 15 / (high - low) + zero), 0, 15)
    assert np.mean(levels[0].numpy() == expected) > 0.99  # ties apart
    assert levels.unique().tolist() == list(range(16))
    assert torch.equal(levels, levels.sort().values)
    if shift:
        ends = torch.tensor(low), torch.tensor(high)
        assert len(quantize(features, *ends, num_levels=16).unique()) == 1, "the listing's clamp"


def test_the_range_is_the_mean_of_the_batches_extremes() -> None:
    generator = torch.Generator().manual_seed(0)
    batches = [torch.randn(size, 7, generator=generator) for size in (5, 5, 2)]
    quantizer = CalibratedQuantizer(3)
    lows = torch.stack([batch.amin() for batch in batches])
    highs = torch.stack([batch.amax() for batch in batches])
    quantizer.calibrate(lows, highs)
    assert quantizer.low.item() == pytest.approx(np.mean([b.numpy().min() for b in batches]))
    assert quantizer.high.item() == pytest.approx(np.mean([b.numpy().max() for b in batches]))


def test_a_range_that_holds_zero_gives_the_levels_of_the_other_quantizer() -> None:
    features = torch.randn(40, 6, generator=torch.Generator().manual_seed(1))
    in_training = UniformQuantizer(3)
    expected = in_training(features)
    ours = calibrated(features.min().item(), features.max().item(), num_bits=3)
    assert torch.equal(ours(features), expected)


def test_a_range_for_each_feature_is_a_quantizer_for_each() -> None:
    features = torch.randn(40, 3, generator=torch.Generator().manual_seed(2)) * torch.tensor(
        [0.01, 1.0, 0.0]
    ) + torch.tensor([0.0, 0.0, 5.0])
    quantizer = CalibratedQuantizer(3, num_features=3)
    quantizer.calibrate(features.amin(0, keepdim=True), features.amax(0, keepdim=True))
    levels = quantizer(features)
    for index in range(3):
        column = features[:, index : index + 1]
        alone = calibrated(column.min().item(), column.max().item(), num_bits=3)
        assert torch.equal(levels[:, index : index + 1], alone(column))
        numbers = alone.dequantize(alone(column))
        torch.testing.assert_close(quantizer.dequantize(levels)[:, index : index + 1], numbers)
    assert len(levels[:, 0].unique()) == len(levels[:, 1].unique()) == 8
    assert not levels[:, 2].any()


@given(st.floats(-20, 20), st.floats(0.1, 20), st.integers(1, 8), st.integers(0, 2**31 - 1))
@settings(max_examples=60, deadline=None)
def test_a_level_stands_for_a_number_within_a_step(
    low: float, width: float, num_bits: int, seed: int
) -> None:
    quantizer = calibrated(low, low + width, num_bits=num_bits)
    generator = torch.Generator().manual_seed(seed)
    features = low + width * torch.rand(9, 4, generator=generator)
    levels = quantizer(features)
    step = width / (quantizer.num_levels - 1)
    stands_for = quantizer.dequantize(levels)
    assert (stands_for - features).abs().max() <= step * 1.001 + 1e-5
    assert (quantizer(stands_for) - levels).abs().max() == 0


def test_numbers_of_levels_by_hand() -> None:
    levels = torch.tensor([0.0, 1, 2, 3])
    numbers = dequantize(levels, torch.tensor(0.0), torch.tensor(6.0), num_levels=4)
    assert numbers.tolist() == [0, 2, 4, 6]
    assert calibrated(5, 8, num_bits=2).dequantize(levels).tolist() == [5, 6, 7, 8]
    assert calibrated(-8, -5, num_bits=2).dequantize(levels).tolist() == [-8, -7, -6, -5]


def test_constant_features_have_level_zero_which_stands_for_them() -> None:
    for value in (-3.0, 0.0, 7.0):
        quantizer = calibrated(value, value)
        levels = quantizer(torch.full((2, 3), value))
        assert levels.tolist() == [[0, 0, 0]] * 2
        assert quantizer.dequantize(levels).tolist() == [[value] * 3] * 2


def test_levels_do_not_depend_on_the_batch_and_survive_saving() -> None:
    features = torch.randn(8, 5, generator=torch.Generator().manual_seed(2))
    quantizer = calibrated(-1, 2)
    together = quantizer(features)
    assert torch.equal(torch.cat([quantizer(row[None]) for row in features]), together)
    loaded = CalibratedQuantizer(4)
    loaded.load_state_dict(quantizer.state_dict())
    assert torch.equal(loaded(features), together)


def test_what_cannot_be_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"`num_bits` must lie in \[1, 8\], but got 9"):
        CalibratedQuantizer(9)
    quantizer = CalibratedQuantizer(4)
    with pytest.raises(CoreError, match="no range yet"):
        quantizer(torch.zeros(1, 1))
    with pytest.raises(CoreError, match="no range yet"):
        quantizer.dequantize(torch.zeros(1, 1))
    with pytest.raises(DataError, match="the split is empty"):
        quantizer.calibrate(torch.zeros(0), torch.zeros(0))
    with pytest.raises(DataError, match="must be finite"):
        quantizer.calibrate(torch.tensor([float("nan")]), torch.tensor([1.0]))
    assert not quantizer.is_calibrated
