"""Optuna's samplers by name, and what each of them can do."""

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import optuna
from optuna.distributions import CategoricalDistribution
from optuna.samplers import (
    BaseSampler,
    CmaEsSampler,
    GPSampler,
    NSGAIIISampler,
    NSGAIISampler,
    QMCSampler,
    RandomSampler,
    TPESampler,
)

from search_spaces import Space, SpaceError
from sweep.errors import SweepError


@dataclass(frozen=True, kw_only=True)
class Ability:
    """What a sampler can do."""

    several: bool = True
    """Several objectives at once."""

    constraints: bool = False
    """Its own handling of constraints."""

    categories: bool = True
    """Learns of values without an order; one that does not draws them at random."""

    conditions: bool = True
    """Learns of keys that are not always searched."""

    lists_all: bool = False
    """Tries every point, so each key needs a list of values."""


ABILITIES: dict[str, Ability] = {
    "tpe": Ability(constraints=True),
    "gp": Ability(constraints=True, conditions=False),
    "cmaes": Ability(several=False, categories=False, conditions=False),
    "nsga2": Ability(constraints=True),
    "nsga3": Ability(constraints=True),
    "qmc": Ability(categories=False, conditions=False),
    "random": Ability(),
    "grid": Ability(lists_all=True),
    "brute-force": Ability(lists_all=True),
}
"""By the flag's word."""


@contextmanager
def experimental() -> Iterator[None]:
    """Parts of Optuna that may change are pinned here, so there is nothing to warn of."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        yield


def check_sampler(name: str, space: Space, *, num_objectives: int, num_constraints: int) -> None:
    """Refuse what a sampler cannot do, before any trial.

    Raises
    ------
    SweepError
        In one line, with samplers that can.
    """
    ability = ABILITIES[name]
    categorical = [k for k, d in space.varies.items() if isinstance(d, CategoricalDistribution)]
    can_several = [other for other, of in ABILITIES.items() if of.several]
    can_constraints = [other for other, of in ABILITIES.items() if of.constraints]
    if num_objectives > 1 and not ability.several:
        raise SweepError(
            f"Sampler {name!r} takes one objective, but {num_objectives} are given: use one of "
            f"{', '.join(can_several)}."
        )
    if num_constraints and not ability.constraints:
        raise SweepError(
            f"Sampler {name!r} knows no constraints: use one of {', '.join(can_constraints)}."
        )
    if categorical and not ability.categories:
        raise SweepError(
            f"Sampler {name!r} learns of numbers alone, but the space has {', '.join(categorical)} "
            "without an order: fix them with --fix, or use tpe, gp or nsga2."
        )
    if space.only_if and not ability.conditions:
        raise SweepError(
            f"Sampler {name!r} wants every key in every trial, but {', '.join(space.only_if)} "
            "depend on others: use tpe, nsga2 or random."
        )
    if ability.lists_all:
        try:
            next(iter(space.points()), None)
        except SpaceError as error:
            raise SweepError(str(error)) from error


def make_sampler(name: str, *, seed: int, number: int, index: int, grouped: bool) -> BaseSampler:
    """Return the sampler that draws a key of a study's trial of that number.

    Each number and key has a seed of its own, so what comes next is a function of the study and of
    the number alone, whichever process asks and however often one was killed.

    Parameters
    ----------
    name
        One of `ABILITIES`.
    seed
        Of the study.
    number
        Of the trial, from 0.
    index
        Of the key, from 1; 0 for what is drawn of all keys at once.
    grouped
        Whether keys may be absent: TPE then learns of each group that occurs together.
    """
    own = int(np.random.SeedSequence([seed, number, index]).generate_state(1)[0])
    makers: dict[str, Callable[[], BaseSampler]] = {
        "tpe": lambda: TPESampler(seed=own, multivariate=True, group=grouped, constant_liar=True),
        "gp": lambda: GPSampler(seed=own),
        "cmaes": lambda: CmaEsSampler(seed=own),
        "nsga2": lambda: NSGAIISampler(seed=own),
        "nsga3": lambda: NSGAIIISampler(seed=own),
        # One sequence for the whole study, which keeps its place in it.
        "qmc": lambda: QMCSampler(seed=seed, scramble=True, warn_asynchronous_seeding=False),
    }
    with experimental():
        return makers.get(name, lambda: RandomSampler(seed=own))()


def all_points(name: str, space: Space, *, seed: int) -> list[dict[str, object]]:
    """Every point in the order in which a sampler that lists all tries them.

    The grid goes through the space in its own order, brute force in one that the seed draws.
    """
    points = [dict(point) for point in space.points()]
    if name == "brute-force":
        order = np.random.default_rng(seed).permutation(len(points))
        points = [points[index] for index in order]
    return points
