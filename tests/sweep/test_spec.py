"""A spec's trials, their identity, and what is refused."""

import hashlib
from pathlib import Path

import pytest

from core.backbones import pin_weights
from core.config import TrainConfig
from core.errors import ConfigError, DataError
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


def test_every_arm_is_known_by_the_hash_of_its_weights(tmp_path: Path) -> None:
    first, second = tmp_path / "first.pth", tmp_path / "second.pth"
    first.write_bytes(b"one")
    second.write_bytes(b"two")
    base = pin_weights(TrainConfig(trunk="resnet18", weights=str(first)))
    spec = make(
        base=base,
        seeds=(0,),
        references={"scratch": {"weights": None}},
        axes={"weights": (str(first), str(second))},
    )
    scratch, *pinned = (trial.config for trial in spec.trials())
    assert scratch.weights_sha256 is None
    assert [config.weights_sha256 for config in pinned] == [
        hashlib.sha256(content).hexdigest() for content in (b"one", b"two")
    ]
    before = [trial.hash for trial in spec.trials()]
    second.write_bytes(b"other")
    after = [trial.hash for trial in spec.trials()]
    assert [old == new for old, new in zip(before, after, strict=True)] == [True, True, False]
    second.unlink()
    with pytest.raises(DataError, match="`weights` must be the path of a file"):
        spec.trials()
