"""The settings that a run needs of cuDNN are those of the run alone."""

from torch.backends import cudnn

from core.methods import METHODS
from core.training import fit
from tests.core.methods.problems import config_of, start, striped


def test_cudnn_is_told_while_an_epoch_runs_and_left_as_it_was() -> None:
    method = next(iter(METHODS))
    dataset = striped()
    state = start(config_of(method, num_epochs=2), dataset)
    seen = []
    before = cudnn.deterministic, cudnn.benchmark
    cudnn.benchmark = True
    step = state.method.step

    def watched(batch: object, at: object) -> dict[str, float]:
        seen.append((cudnn.deterministic, cudnn.benchmark))
        return step(batch, at)  # type: ignore[arg-type]

    state.method.step = watched  # type: ignore[method-assign]
    try:
        for _ in fit(state, dataset):
            assert (cudnn.deterministic, cudnn.benchmark) == (before[0], True)
    finally:
        cudnn.deterministic, cudnn.benchmark = before
    assert set(seen) == {(True, False)}
