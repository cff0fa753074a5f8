"""Saved inside an epoch: what a network draws, and what several workers share."""

import io
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from core.config import TrainConfig
from core.training import EpochResult, TrainState, fit
from tests.core.methods.problems import config_of, start, striped
from tests.core.workers import in_workers


def with_dropout(config: TrainConfig) -> TrainState:
    state = start(config, striped())
    projection: Any = state.model.projection
    projection.append(nn.Dropout(0.3))
    return state


def train(state: TrainState, *, stop_after: int | None = None) -> list[EpochResult]:
    """All epochs left, or so many batches of them."""
    count = 0

    def after_batch() -> None:
        nonlocal count
        count += 1
        if count == stop_after:
            raise KeyboardInterrupt

    if stop_after is None:
        return list(fit(state, striped()))
    with pytest.raises(KeyboardInterrupt):
        list(fit(state, striped(), after_batch=after_batch))
    return []


def through_a_file(state: TrainState) -> dict[str, Any]:
    file = io.BytesIO()
    torch.save(state.state_dict(), file)
    file.seek(0)
    values: dict[str, Any] = torch.load(file, weights_only=True)
    return values


def weights_of(state: TrainState) -> list[torch.Tensor]:
    return list(state.model.state_dict().values())


@pytest.mark.parametrize("stop_after", [1, 2, 4])
def test_dropout_draws_what_it_would_have_drawn(stop_after: int) -> None:
    config = config_of("intersection")
    whole, stopped, resumed = (with_dropout(config) for _ in range(3))
    train(whole)
    train(stopped, stop_after=stop_after)
    torch.manual_seed(7)
    resumed.load_state_dict(through_a_file(stopped))
    train(resumed)
    assert all(map(torch.equal, weights_of(resumed), weights_of(whole)))


def test_dropout_differs_from_batch_to_batch() -> None:
    state = with_dropout(config_of("intersection", num_epochs=1))
    dropout: Any = state.model.projection
    masks: list[torch.Tensor] = []
    dropout[-1].register_forward_hook(lambda module, before, after: masks.append(after == 0))
    train(state, stop_after=2)
    assert not torch.equal(masks[0], masks[1])


def _stop_and_resume(rank: int, world_size: int, folder: str) -> None:
    config = config_of("intersection")
    whole, stopped, resumed = (with_dropout(config) for _ in range(3))
    train(whole)
    train(stopped, stop_after=4)
    path = Path(folder) / "checkpoint.pt"
    if rank == 0:
        torch.save(stopped.state_dict(), path)
    torch.distributed.barrier()
    resumed.load_state_dict(torch.load(path, weights_only=True))
    results = train(resumed)
    assert len(results) == 1
    assert all(map(torch.equal, weights_of(resumed), weights_of(whole)))


def test_the_checkpoint_of_the_first_worker_serves_all(tmp_path: Path) -> None:
    in_workers(_stop_and_resume, 2, str(tmp_path))
