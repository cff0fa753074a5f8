"""What makes a GPU give the same numbers again."""

from collections.abc import Iterator
from contextlib import contextmanager

from torch.backends import cudnn


@contextmanager
def repeatable_convolutions() -> Iterator[None]:
    """Let cuDNN take algorithms that add up in one order, and choose them without a race.

    By default its weight gradients differ from run to run in the last bits, so a run that is
    stopped and resumed would not be the uninterrupted one. On a CPU this changes nothing. The
    settings of before come back afterwards.
    """
    before = cudnn.deterministic, cudnn.benchmark
    cudnn.deterministic, cudnn.benchmark = True, False
    try:
        yield
    finally:
        cudnn.deterministic, cudnn.benchmark = before
