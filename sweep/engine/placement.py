"""On what a trial runs, and how many run at once. Nothing here changes a trial's result."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from core.config import TrainConfig
from sweep.errors import SweepError

Executor = Literal["actor", "train"]


@dataclass(frozen=True, kw_only=True)
class Placement:
    """Resources of a trial and of a sweep. A flag of the command line has each field's name.

    Raises
    ------
    SweepError
        If it asks one process for several workers, or several workers to share a GPU.
    """

    executor: Literal["auto", "actor", "train"] = "auto"
    cpus: int = 1
    """Of each worker."""

    gpus: float = 0.0
    """Of each worker: a whole number, or for a single worker a share of one GPU."""

    workers: int = 1
    """Processes that share the batches of a trial."""

    max_concurrent: int | None = None
    """Most trials at once; None for all that fit."""

    retries: int = 0
    """How often a trial that lost its process or node starts again from its checkpoint."""

    checkpoint_seconds: float = 60.0
    """Most work of a trial that a kill may cost. The end of an epoch that takes a second is saved
    all the same."""

    wait_for_nodes: bool = False
    """Whether the cluster grows on demand, so that what it lacks now refuses nothing."""

    def __post_init__(self) -> None:
        if self.executor == "actor" and self.workers > 1:
            raise SweepError(
                f"--executor actor trains in one process, but --workers-per-trial is "
                f"{self.workers}: leave --executor out, or use one worker."
            )
        if self.gpus > 1 and not float(self.gpus).is_integer():
            raise SweepError(
                f"--gpus-per-trial must be a whole number or below 1, but is {self.gpus:g}: a "
                "worker has some GPUs to itself, or shares one."
            )
        if 0 < self.gpus < 1 and self.workers > 1:
            raise SweepError(
                f"--gpus-per-trial is {self.gpus:g}, a share of a GPU, and --workers-per-trial is "
                f"{self.workers}: workers of a trial that meet on one GPU cannot talk (NCCL takes "
                "no device twice). Give each a whole GPU, or use one worker."
            )

    @property
    def chosen_executor(self) -> Executor:
        """Whole GPUs and several workers take a worker group.

        One process on CPUs, or on its share of a GPU, needs none: its process serves the next trial
        as well.
        """
        if self.executor != "auto":
            return self.executor
        return "train" if self.gpus >= 1 or self.workers > 1 else "actor"

    @property
    def resources(self) -> dict[str, float]:
        """What one trial takes, in Ray's words."""
        return {"CPU": float(self.cpus * self.workers), "GPU": self.gpus * self.workers}

    def check_batch_statistics(self, config: TrainConfig) -> None:
        """Refuse what every trial would refuse: BatchNorm over several workers without GPUs.

        Raises
        ------
        SweepError
        """
        if self.workers > 1 and not self.gpus and config.trunk_norm == "batch":
            raise SweepError(
                "BatchNorm shares its statistics among several workers on GPUs only, but "
                f"--workers-per-trial is {self.workers} and --gpus-per-trial is 0: add --set "
                "trunk_norm=group for `trunk_norm='group'`, or use one worker."
            )

    def check_fits(self, available: Mapping[str, float], *, where: str) -> None:
        """Refuse a trial that could never be placed: Tune would wait for ever.

        Parameters
        ----------
        available
            What the cluster has, in Ray's words.
        where
            The cluster, in words.

        Raises
        ------
        SweepError
        """
        if self.wait_for_nodes:
            return
        for kind, flag in (("CPU", "--cpus-per-trial"), ("GPU", "--gpus-per-trial")):
            asked, has = self.resources[kind], available.get(kind, 0.0)
            if asked > has:
                raise SweepError(
                    f"A trial asks for {asked:g} {kind}s, but {where} has {has:g}: lower {flag} or "
                    "--workers-per-trial, or give --wait-for-nodes if the cluster grows on demand."
                )

    def num_parallel(self, available: Mapping[str, float]) -> int:
        """How many trials to have under way. Train drivers hold next to nothing, so Tune must be
        told.

        On a cluster that grows on demand, half as many again as fit wait for a place, and at least
        one: they are the demand that it grows on. With `max_concurrent` it is asked for those at
        once.
        """
        fits = [available.get(kind, 0.0) / asked for kind, asked in self.resources.items() if asked]
        most = int(min(fits))
        if self.wait_for_nodes:
            return self.max_concurrent or most + max(1, most // 2)
        return max(1, min(most, self.max_concurrent or most))
