"""Optuna's pruners by name, with epochs as their steps."""

from optuna.pruners import (
    BasePruner,
    HyperbandPruner,
    MedianPruner,
    NopPruner,
    SuccessiveHalvingPruner,
    WilcoxonPruner,
)

from sweep.engine.samplers import experimental
from sweep.errors import SweepError

PRUNERS = ("none", "asha", "hyperband", "median", "wilcoxon")
"""By the flag's word."""


def check_pruner(
    name: str,
    *,
    num_objectives: int,
    num_constraints: int,
    seeds_per_trial: int,
    num_epochs: int,
) -> None:
    """Refuse what cannot be pruned, before any trial.

    Raises
    ------
    SweepError
        In one line.
    """
    if name == "none":
        return
    if num_objectives > 1:
        raise SweepError(
            f"--pruner {name} compares one objective, but {num_objectives} are given: give one, or "
            "--pruner none."
        )
    if num_constraints:
        raise SweepError(
            f"--pruner {name} with --constraint: a trial that is stopped has no final numbers to "
            "hold against it. Leave one of them out."
        )
    if (name == "wilcoxon") != (seeds_per_trial > 1):
        raise SweepError(
            f"--pruner {name} with --seeds-per-trial {seeds_per_trial}: wilcoxon compares a "
            "trial's seeds, so it wants several; the others compare epochs of one seed."
        )
    if name != "wilcoxon" and num_epochs < 4:
        raise SweepError(
            f"--pruner {name} wants at least 4 epochs to prune in, but a trial has {num_epochs}."
        )


def first_step(num_epochs: int) -> int:
    """The first epoch after which a trial may be pruned: half of them are over by then.

    Trials are compared at the same epoch of the same schedule, so no step size is unfair to one
    more than to another. But while a cosine's steps are still large, accuracy says little of what
    the small ones will make of it: rungs before the middle keep fast starters.
    """
    return max(1, num_epochs // 2)


def make_pruner(name: str, *, num_epochs: int) -> BasePruner:
    """Return the pruner of a search whose trials have so many epochs.

    Parameters
    ----------
    name
        One of `PRUNERS`.
    num_epochs
        Of a trial that is not pruned.
    """
    first = first_step(num_epochs)
    if name == "asha":
        # Rungs at the middle and at three quarters: a factor of four would leave one alone.
        return SuccessiveHalvingPruner(min_resource=first, reduction_factor=2)
    if name == "hyperband":
        return HyperbandPruner(min_resource=first, max_resource=num_epochs, reduction_factor=2)
    if name == "median":
        return MedianPruner(n_startup_trials=5, n_warmup_steps=first)
    if name == "wilcoxon":
        with experimental():
            return WilcoxonPruner(p_threshold=0.1, n_startup_steps=2)
    return NopPruner()
