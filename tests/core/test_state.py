"""Early stopping as section 6 words it, and step sizes over the epochs."""

import math
from collections.abc import Mapping
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from core.config import Schedule
from core.errors import DataError
from core.methods import create_state
from core.methods.intersection import Intersection
from core.training import TrainState, early_stop
from core.training._rates import set_learning_rates
from tests.core.small import small_config


@pytest.mark.parametrize(
    ("accuracies", "stops"),
    [
        ([0.5], False),
        ([0.5, 0.4], False),
        ([0.5, 0.4, 0.3], True),
        ([0.5, 0.4, 0.6], False),
        ([0.5, 0.4, 0.6, 0.6], False),
        ([0.5, 0.4, 0.6, 0.55], True),
    ],
)
def test_stops_at_the_second_drop(accuracies: list[float], stops: bool) -> None:
    assert early_stop(accuracies, drops_to_stop=2) is stops


def test_one_drop_is_enough_when_asked() -> None:
    assert early_stop([0.5, 0.4], drops_to_stop=1)


@given(st.lists(st.floats(0, 1), max_size=20))
def test_none_never_stops(accuracies: list[float]) -> None:
    assert not early_stop(accuracies, drops_to_stop=None)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=20).map(sorted))
def test_never_stops_while_accuracy_does_not_drop(accuracies: list[float]) -> None:
    assert not early_stop(accuracies, drops_to_stop=1)


@pytest.mark.parametrize(
    ("schedule", "factors"),
    [
        ("constant", [1.0, 1.0, 1.0, 1.0]),
        ("cosine", [1.0, (1 + math.sqrt(0.5)) / 2, 0.5, (1 - math.sqrt(0.5)) / 2]),
    ],
)
def test_schedule_scales_every_group_alike_and_changes_nothing_else(
    schedule: Schedule, factors: list[float]
) -> None:
    config = small_config(
        schedule=schedule, num_epochs=4, learning_rate=0.2, trunk_learning_rate_scale=0.1
    )
    state = create_state(config, in_channels=1, num_classes=3)
    optimizers = state.method.optimizers
    before = [
        group["params"] for optimizer in optimizers.values() for group in optimizer.param_groups
    ]
    weights = {name: tensor.clone() for name, tensor in state.model.state_dict().items()}
    for epoch, factor in enumerate(factors):
        set_learning_rates(optimizers.values(), config, epoch=epoch)
        trunk, *new = optimizers["extractor"].param_groups
        assert trunk["lr"] == pytest.approx(0.02 * factor)
        for group in (*new, *optimizers["classifier"].param_groups):
            assert group["lr"] == pytest.approx(0.2 * factor)
            assert group["momentum"] == config.momentum
            assert group["weight_decay"] == config.weight_decay
    after = [
        group["params"] for optimizer in optimizers.values() for group in optimizer.param_groups
    ]
    assert all(a is b for a, b in zip(before, after, strict=True))
    for name, tensor in state.model.state_dict().items():
        assert tensor.equal(weights[name])


class Growing(Intersection):
    """As a method whose network gets a layer in each epoch."""

    def state_dict(self) -> dict[str, Any]:
        return {"num_layers": len(self.model.classifier)}

    def load_state_dict(self, values: Mapping[str, Any]) -> None:
        while len(self.model.classifier) < values["num_layers"]:
            self.grow()
        del self.model.classifier[values["num_layers"] :]

    def grow(self) -> None:
        self.model.classifier.append(nn.Linear(3, 3))


def growing(kind: type[Growing] = Growing, **changes: object) -> TrainState:
    config = small_config(num_epochs=8, **changes)
    method = kind.create(config, in_channels=1, num_classes=3, device=torch.device("cpu"))
    return TrainState(config=config, method=method)


def end_epochs(state: TrainState, *accuracies: float) -> None:
    for accuracy in accuracies:
        assert not state.finished
        assert isinstance(state.method, Growing)
        state.method.grow()
        state.end_epoch(None, accuracy)


def test_what_a_method_has_beside_its_weights_is_set_back_with_them() -> None:
    state = growing(drops_to_stop=1)
    end_epochs(state, 0.1, 0.2)
    expected = {name: tensor.clone() for name, tensor in state.model.state_dict().items()}
    end_epochs(state, 0.1)
    assert state.reported_epoch == 1
    trained = state.model.state_dict()
    assert trained.keys() == expected.keys()
    assert all(trained[name].equal(tensor) for name, tensor in expected.items())


def test_a_network_that_grew_is_loaded_at_its_size() -> None:
    state, other = growing(), growing()
    end_epochs(state, 0.1, 0.2)
    other.load_state_dict(state.state_dict())
    assert other.method.state_dict() == state.method.state_dict()
    ours, theirs = state.model.state_dict(), other.model.state_dict()
    assert all(theirs[name].equal(tensor) for name, tensor in ours.items())


class EverySecond(Growing):
    """As a method of which every second epoch alone can be compared."""

    def is_watched(self, epoch: int) -> bool:
        return epoch % 2 == 1


def test_an_epoch_that_is_not_watched_neither_stops_a_run_nor_is_gone_back_to() -> None:
    state = growing(EverySecond, drops_to_stop=1)
    end_epochs(state, 0.9, 0.5, 0.3, 0.6)
    expected = {name: tensor.clone() for name, tensor in state.model.state_dict().items()}
    end_epochs(state, 0.2)
    copy = growing(EverySecond, drops_to_stop=1)
    copy.load_state_dict(state.state_dict())
    for each in (state, copy):
        end_epochs(each, 0.55)
        assert each.reported_epoch == 3
        trained = each.model.state_dict()
        assert trained.keys() == expected.keys()
        assert all(trained[name].equal(tensor) for name, tensor in expected.items())


def test_a_checkpoint_of_an_earlier_release_is_refused() -> None:
    state = create_state(small_config(), in_channels=1, num_classes=3)
    values = state.state_dict()
    del values["method"]
    with pytest.raises(DataError, match="is of an earlier release"):
        state.load_state_dict(values)
