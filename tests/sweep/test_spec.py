"""A spec's trials, their identity, and what is refused."""

import pytest

from core.config import TrainConfig
from core.errors import ConfigError
from sweep.ablation_p import EXPERIMENT
from sweep.spec import SweepSpec


def make(**changes: object) -> SweepSpec:
    values: dict[str, object] = {
        "name": "n",
        "title": "t",
        "base": TrainConfig(),
        "axes": {"mask_probability": (0.0, 0.5), "sparsity_norm": ("l1", "l2")},
        "references": {"plain": {"tree_weight": 0.0}},
        "seeds": (0, 1),
    }
    return SweepSpec(**{**values, **changes})  # type: ignore[arg-type]


def test_trials_are_the_product_with_references_for_every_seed() -> None:
    trials = make().trials()
    assert len(trials) == 2 * (2 * 2 + 1)
    assert len({trial.hash for trial in trials}) == len(trials)
    assert {trial.arm for trial in trials if trial.config.tree_weight == 0} == {"plain"}


def test_main_job_is_36_trials_and_two_reference_lines() -> None:
    spec = EXPERIMENT.build(TrainConfig(), range(3))
    grid = [trial for trial in spec.trials() if trial.arm not in spec.references]
    assert len(grid) == 36
    assert len(spec.trials()) - len(grid) == 2 * 3


def test_one_more_seed_is_still_the_same_sweep() -> None:
    assert make().sweep_id("data") == make(seeds=(0, 1, 2)).sweep_id("data")


def test_other_data_or_another_fixed_value_is_another_sweep() -> None:
    assert make().sweep_id("data") != make().sweep_id("other")
    assert make().sweep_id("data") != make(base=TrainConfig(num_epochs=3)).sweep_id("data")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"axes": {"mask_probabilty": (0.1,)}}, "no field .* mean 'mask_probability'"),
        ({"references": {"a": {"tree_wieght": 0}}}, "no field .* mean 'tree_weight'"),
        ({"axes": {"mask_probability": ()}}, "has no values"),
        ({"axes": {"mask_probability": (1.5,)}}, r"must lie in \[0, 1\], but got 1.5"),
        ({"seeds": ()}, "at least one seed"),
        ({"seeds": (0, 0)}, "hold the same trial"),
        ({"axes": {"mask_probability": (0.1, 0.1)}, "references": {}}, "repeats a value"),
    ],
)
def test_impossible_specs_are_refused(changes: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        make(**changes)
