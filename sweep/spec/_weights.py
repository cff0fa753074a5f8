"""Sweeps that choose one loss weight."""

from collections.abc import Sequence

from core.config import TrainConfig
from sweep.spec._arms import grid
from sweep.spec._spec import SweepSpec


def weight_sweep(
    base: TrainConfig, seeds: Sequence[int], field: str, weights: Sequence[float]
) -> SweepSpec:
    """The whole method at several values of a weight, under the weight's name.

    Parameters
    ----------
    base, seeds
        As in SweepSpec.
    field
        Of TrainConfig, such as "tree_weight".
    weights
        Its values.
    """
    words = field.replace("_", " ").capitalize()
    return SweepSpec(
        name=field,
        title=f"{words} on {base.dataset}",
        base=base,
        arms=grid({field: weights}),
        seeds=seeds,
    )
