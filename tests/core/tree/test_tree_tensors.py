"""Trees from tensors are those of the other growers. On CUDA as well, where there is one."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tree_problems import problems, random_problem

from core.errors import ConfigError, DataError
from core.tree import Criterion, _tensor_gain, fit_tree
from core.tree._gain import UNIT, share_log_share
from core.tree.tensors import fit_tensors

DEVICES = ["cpu", *(["cuda"] if torch.cuda.is_available() else [])]
quick = settings(deadline=None, max_examples=40)


def fit(problem, device="cpu", **options):
    levels, labels, num_levels = problem
    return fit_tensors(
        torch.from_numpy(levels).to(device),
        torch.from_numpy(labels).to(device),
        num_levels=num_levels,
        **options,
    )


@quick
@given(
    problems,
    st.sampled_from(DEVICES),
    st.sampled_from(list(Criterion)),
    st.integers(0, 7),
    st.sampled_from([0.0, 1e-4, 0.05]),
    st.sampled_from([1, 2**16, 2**24]),
)
def test_equals_the_reference_bit_for_bit(
    problem, device, criterion, max_depth, min_gain, max_bytes
):
    levels, labels, num_levels = problem
    options = {"criterion": criterion, "max_depth": max_depth, "min_gain": min_gain}
    tree = fit(problem, device, max_bytes=max_bytes, **options)
    expected = fit_tree(levels, labels, num_levels=num_levels, backend="numpy", **options)
    assert tree.to_tree() == expected
    predicted = tree.predict(torch.from_numpy(levels).to(device))
    assert predicted.cpu().numpy().tolist() == expected.predict(levels).tolist()


@pytest.mark.parametrize("device", DEVICES)
def test_equals_fit_tree_on_thousands_of_rows(device):
    problem = random_problem(
        3, num_samples=4000, num_features=17, num_classes=12, bits=4, labels="learnable"
    )
    levels, labels, num_levels = problem
    tree = fit(problem, device, max_depth=6)
    assert tree.to_tree() == fit_tree(levels, labels, num_levels=num_levels, max_depth=6)
    assert tree.value.device.type == device


@pytest.mark.parametrize("device", DEVICES)
def test_logarithm_has_the_bits_of_numpys(device):
    shares = np.concatenate(
        [
            [0.0, 1.0, 0.5, np.nextafter(1, 0), np.sqrt(0.5), UNIT * 2.0**-28],
            np.random.default_rng(0).random(10_000),
            2.0 ** -np.random.default_rng(1).uniform(0, 52, size=10_000),
        ]
    )
    ours = _tensor_gain.share_log_share(torch.from_numpy(shares).to(device)).cpu().numpy()
    assert ours.tobytes() == share_log_share(shares).tobytes()


@pytest.mark.parametrize(
    ("levels", "labels", "message"),
    [
        (torch.zeros(2, 1), torch.eye(2), "must be an integer tensor of shape"),
        (torch.zeros(2, 1, dtype=torch.int32), torch.zeros(2, 2, dtype=torch.int32), "one-hot"),
        (torch.zeros(3, 1, dtype=torch.int32), torch.eye(2), "one row per sample"),
        (torch.zeros(2, 0, dtype=torch.int32), torch.eye(2), "at least one feature"),
        (torch.full((2, 1), 4), torch.eye(2), "reach from 4 to 4"),
        (torch.zeros(2, 1, dtype=torch.int32), torch.eye(2) * torch.nan, "must be finite"),
        (torch.zeros(2, 1, dtype=torch.int32), -torch.eye(2), "must not be negative"),
        (torch.zeros(2, 1, dtype=torch.int32), torch.eye(2) / 2, "must sum to 1 within"),
        (torch.zeros(0, 1, dtype=torch.int32), torch.zeros(0, 2), "all workers together hold 0"),
    ],
)
def test_bad_tensors_are_refused(levels, labels, message):
    with pytest.raises(DataError, match=message):
        fit_tensors(levels, labels, num_levels=4, max_depth=2)


def test_labels_out_of_range_are_refused_for_squared_error():
    with pytest.raises(DataError, match=r"must lie in \[-1, 1\]"):
        fit_tensors(
            torch.zeros(2, 1, dtype=torch.int32),
            2 * torch.eye(2),
            num_levels=4,
            max_depth=2,
            criterion="squared_error",
        )


def test_no_memory_at_all_is_refused():
    with pytest.raises(ConfigError, match="`max_bytes` must be at least 1, but got 0"):
        fit_tensors(torch.zeros(2, 1).int(), torch.eye(2), num_levels=4, max_depth=2, max_bytes=0)
