"""Alg. 2 against a plain transcription, finite differences, and the properties it must have."""

import numpy as np
import numpy.typing as npt
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from core.errors import ConfigError, CoreError
from core.quantize import UniformQuantizer

Array = npt.NDArray[np.float64]


def alg2_forward(x: Array, bits: int) -> Array:
    """Lines 1 to 8, word for word."""
    q_min, q_max = 0, 2**bits - 1
    s = (x.max() - x.min()) / (q_max - q_min)
    z_init = (q_min - x.min()) / s
    z = min(max(z_init, q_min), q_max)
    q_tilde = np.round(z) + x / s
    return np.round(np.minimum(np.maximum(q_tilde, q_min), q_max))


def alg2_backward(x: Array, bits: int, cotangent: Array) -> Array:
    """Lines 9 to 11: the vector-Jacobian product, entry by entry."""
    q_max = 2**bits - 1
    low, high = x.argmin(), x.argmax()
    s = (x[high] - x[low]) / q_max
    z_init = -x[low] / s
    z_tilde = np.round(min(max(z_init, 0), q_max))
    gradient = np.zeros_like(x)
    for j in range(len(x)):
        ds = (float(j == high) - float(j == low)) / q_max
        dz_init = -float(j == low) / s + x[low] / s**2 * ds
        dz = float(0 < z_init < q_max) * dz_init
        for i in range(len(x)):
            dq_tilde = dz + float(i == j) / s - x[i] / s**2 * ds
            inside = 0 < z_tilde + x[i] / s < q_max
            gradient[j] += cotangent[i] * float(inside) * dq_tilde
    return gradient


@pytest.mark.parametrize("bits", range(1, 9))
@pytest.mark.parametrize("shift", [-3.0, 0.0, 3.0])
def test_forward_and_backward_follow_the_transcription(bits: int, shift: float) -> None:
    rng = np.random.default_rng(bits)
    x = rng.normal(size=24) + shift
    cotangent = rng.normal(size=24)
    features = torch.tensor(x.reshape(4, 6), requires_grad=True)
    levels = UniformQuantizer(bits)(features)
    levels.backward(torch.tensor(cotangent.reshape(4, 6)))
    np.testing.assert_array_equal(levels.detach().numpy().ravel(), alg2_forward(x, bits))
    assert features.grad is not None
    np.testing.assert_allclose(
        features.grad.numpy().ravel(), alg2_backward(x, bits, cotangent), rtol=1e-9, atol=1e-9
    )


def test_gradient_is_the_finite_difference_of_the_formula_without_rounding() -> None:
    rng = np.random.default_rng(1)
    x = rng.normal(size=30)
    q_max = 15

    def unrounded(values: Array) -> Array:
        s = (values.max() - values.min()) / q_max
        return -values.min() / s + values / s

    # The extremes lie on the clipping edges, where the formula is not smooth.
    cotangent = rng.normal(size=30)
    cotangent[[x.argmin(), x.argmax()]] = 0
    inside = (alg2_forward(x, 4) > 0) & (alg2_forward(x, 4) < q_max)
    cotangent[~inside] = 0
    step = 1e-6
    expected = np.array(
        [
            (cotangent @ (unrounded(x + step * e) - unrounded(x - step * e))) / (2 * step)
            for e in np.eye(30)
        ]
    )
    features = torch.tensor(x[None], requires_grad=True)
    UniformQuantizer(4)(features).backward(torch.tensor(cotangent[None]))
    assert features.grad is not None
    np.testing.assert_allclose(features.grad.numpy()[0], expected, rtol=1e-6, atol=1e-6)


finite = st.floats(-1e3, 1e3, width=32)
batches = arrays(np.float64, st.tuples(st.integers(1, 6), st.integers(1, 6)), elements=finite)


@settings(max_examples=200, deadline=None)
@given(x=batches, bits=st.integers(1, 8), mode=st.sampled_from(["batch", "sample"]))
def test_levels_are_whole_bounded_and_monotone(x: Array, bits: int, mode: str) -> None:
    levels = UniformQuantizer(bits, mode)(torch.tensor(x)).numpy()  # type: ignore[arg-type]
    assert np.array_equal(levels, np.round(levels))
    assert levels.min() >= 0
    assert levels.max() <= 2**bits - 1
    rows = zip(x, levels, strict=True) if mode == "sample" else [(x.ravel(), levels.ravel())]
    for values, row in rows:
        order = np.argsort(values, kind="stable")
        assert np.all(np.diff(row[order]) >= 0)


@settings(max_examples=100, deadline=None)
@given(x=batches, bits=st.integers(1, 8))
def test_idempotent_when_the_range_holds_zero(x: Array, bits: int) -> None:
    x = np.concatenate([x.ravel(), [-1.0, 1.0]])[None]
    quantizer = UniformQuantizer(bits)
    once = quantizer(torch.tensor(x))
    assert torch.equal(UniformQuantizer(bits)(once), once)


@pytest.mark.parametrize("mode", ["batch", "sample"])
@pytest.mark.parametrize("value", [0.0, -2.5, 7.0, 1e-30])
def test_constant_input_is_level_zero_with_a_finite_gradient(mode: str, value: float) -> None:
    features = torch.full((3, 4), value, requires_grad=True)
    levels = UniformQuantizer(4, mode)(features)  # type: ignore[arg-type]
    levels.sum().backward()
    assert torch.equal(levels, torch.zeros(3, 4))
    assert features.grad is not None
    assert torch.isfinite(features.grad).all()


def test_evaluation_uses_the_running_range_so_a_batch_mate_changes_nothing() -> None:
    quantizer = UniformQuantizer(4)
    generator = torch.Generator().manual_seed(0)
    for _ in range(5):
        quantizer(torch.randn(8, 4, generator=generator))
    quantizer.eval()
    x = torch.randn(1, 4, generator=generator)
    alone = quantizer(x)
    with_outlier = quantizer(torch.cat([x, torch.full((1, 4), 1e6)]))[:1]
    assert torch.equal(alone, with_outlier)
    assert torch.equal(alone, quantizer(x))


def test_running_range_starts_at_the_first_batch_and_moves_by_momentum() -> None:
    quantizer = UniformQuantizer(4, momentum=0.25)
    quantizer(torch.tensor([[0.0, 4.0]]))
    assert quantizer.running_max.item() == 4.0
    quantizer(torch.tensor([[0.0, 8.0]]))
    assert quantizer.running_max.item() == 5.0


def test_evaluation_before_training_is_refused() -> None:
    with pytest.raises(CoreError, match="no running range yet"):
        UniformQuantizer(4).eval()(torch.rand(2, 2))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"num_bits": 0}, r"`num_bits` must lie in \[1, 8\], but got 0"),
        ({"num_bits": 9}, r"`num_bits` must lie in \[1, 8\], but got 9"),
        ({"range": "image"}, "`range` must be 'batch' or 'sample', but got 'image'"),
        ({"momentum": 0.0}, r"`momentum` must lie in \(0, 1\], but got 0.0"),
    ],
)
def test_illegal_arguments_are_refused(arguments: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        UniformQuantizer(**arguments)  # type: ignore[arg-type]
