"""Training, the same for all methods: the loop over epochs, its state, when it ends."""

from core.training._loop import EpochResult, fit
from core.training._method import EpochEnd, Method, Step, Timer, check_finite, mix_seeds
from core.training._rates import sgd
from core.training._state import Snapshot, TrainState
from core.training._stopping import early_stop
from core.training._workers import share_batch_statistics

__all__ = [
    "EpochEnd",
    "EpochResult",
    "Method",
    "Snapshot",
    "Step",
    "Timer",
    "TrainState",
    "check_finite",
    "early_stop",
    "fit",
    "mix_seeds",
    "sgd",
    "share_batch_statistics",
]
