"""A spec's trials, their identity, and what is refused."""

import dataclasses
import hashlib
import json
from pathlib import Path

import pytest

from core.backbones import pin_weights
from core.config import TrainConfig
from core.errors import ConfigError, DataError
from sweep.ablation_p import EXPERIMENT
from sweep.engine.suggestions import ListSearcher
from sweep.engine.trial import TrialSettings
from sweep.spec import SweepSpec, grid
from sweep.tracking.plan import Plan

PLAIN = {"plain": {"tree_weight": 0.0}}
GRID = grid(mask_probability=(0.0, 0.5), sparsity_norm=("l1", "l2"))


def make(**changes: object) -> SweepSpec:
    values: dict[str, object] = {
        "name": "n",
        "title": "t",
        "base": TrainConfig(),
        "arms": PLAIN | GRID,
        "seeds": (0, 1),
    }
    return SweepSpec(**{**values, **changes})  # type: ignore[arg-type]


def test_trials_are_the_product_with_references_for_every_seed() -> None:
    spec = make()
    assert len(spec.planned()) == 2 * (2 * 2 + 1)
    assert {arm for arm, config in spec.planned() if config.tree_weight == 0} == {"plain"}


def test_arms_that_are_the_same_run_share_one_trial() -> None:
    """With p = 0 there is no sparsity loss, whatever its norm."""
    spec = make()
    trials = spec.trials()
    assert len({trial.hash for trial in trials}) == len(trials) == 2 * (2 + 1 + 1)
    served = [arm for trial in trials for arm in trial.arms]
    assert sorted(served) == sorted(arm for arm, _ in spec.planned())
    without = {trial.arms for trial in trials if trial.config.mask_probability == 0}
    norms = (f"mask_probability=0.0 sparsity_norm={norm}" for norm in ("l1", "l2"))
    assert without == {tuple(norms)}


def test_main_job_is_36_runs_for_14_arms_of_three_seeds() -> None:
    spec = EXPERIMENT.build(TrainConfig(), range(3))
    assert len(spec.planned()) == 3 * (2 + 2 * 6)
    assert len(spec.trials()) == 36
    (shared,) = {trial.arms for trial in spec.trials() if len(trial.arms) > 1}
    assert shared == (
        "tree only",
        "sparsity_norm=l1 mask_probability=0.0",
        "sparsity_norm=l2 mask_probability=0.0",
    )


def test_one_more_seed_or_arm_is_still_the_same_sweep() -> None:
    assert make().sweep_id("data") == make(seeds=(0, 1, 2)).sweep_id("data")
    more = PLAIN | GRID | {"deep": {"max_depth": 12}}
    assert make().sweep_id("data") == make(arms=more).sweep_id("data")


def test_what_every_arm_sets_is_not_the_bases_to_say() -> None:
    other = TrainConfig(mask_probability=0.2)
    assert make(arms=GRID).sweep_id("data") == make(arms=GRID, base=other).sweep_id("data")
    # Here "plain" takes the base's.
    assert make().sweep_id("data") != make(base=other).sweep_id("data")


def test_a_sweep_over_data_sets_has_none_of_its_own() -> None:
    sets = {"a": {"dataset": "digits"}, "b": {"dataset": "field_guide", "max_depth": 5}}
    assert make().has_fixed_dataset
    assert make(arms={"a": {}, "b": sets["b"]}).has_fixed_dataset
    spec = make(arms=sets)
    assert not spec.has_fixed_dataset
    base = TrainConfig(dataset="field_guide")
    assert spec.sweep_id(None) == make(arms=sets, base=base).sweep_id(None)


def test_arms_may_change_methods_and_their_options() -> None:
    base = TrainConfig().replace({"jigsaw.whole_weight": 3})
    arms = {
        "ours": {"jigsaw.whole_weight": 2},
        "pieces": {"method": "jigsaw"},
        "other pieces": {"method": "jigsaw", "jigsaw.pieces_per_side": (4, 2, 1)},
    }
    spec = make(base=base, arms=arms, seeds=(0,))
    searcher = ListSearcher(spec.base, spec.trials())
    settings = TrialSettings(base=spec.base.to_dict(), sweep_id="s", storage="x")
    for trial in spec.trials():
        overrides = searcher.suggest("id")
        assert overrides is not None
        assert settings.config(json.loads(json.dumps(overrides))) == trial.config
    plan = spec.plan()
    assert plan.base["jigsaw.whole_weight"] == 3.0
    assert plan.base["jigsaw.pieces_per_side"] == [8, 4, 2]


def test_the_plan_says_it_all_and_can_be_read_back() -> None:
    spec = make()
    data = {trial.hash: trial.config.dataset for trial in spec.trials()}
    plan = spec.plan(data)
    assert [arm.name for arm in plan.arms] == ["plain", *GRID]
    assert plan.arms[0].overrides == PLAIN["plain"]
    assert plan.base == TrainConfig().to_dict()
    assert len(plan.trials) == 2 * 5
    assert {trial.dataset_fingerprint for trial in plan.trials} == {"digits"}
    assert Plan.from_json(plan.to_json()) == plan


def test_a_field_that_is_added_to_the_config_leaves_the_sweep_where_it_is() -> None:
    @dataclasses.dataclass(frozen=True, kw_only=True)
    class Later(TrainConfig):
        added: int = 3

    assert make(base=Later()).sweep_id("data") == make().sweep_id("data")
    assert make(base=Later(added=4)).sweep_id("data") != make().sweep_id("data")


def test_other_data_or_another_fixed_value_is_another_sweep() -> None:
    assert make().sweep_id("data") != make().sweep_id("other")
    assert make().sweep_id("data") != make(base=TrainConfig(num_epochs=3)).sweep_id("data")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"arms": {"a": {"tree_wieght": 0}}}, "Arm 'a': .* no field .* mean 'tree_weight'"),
        ({"arms": grid(mask_probability=(1.5,))}, r"must lie in \[0, 1\], but got 1.5"),
        ({"arms": {}}, "at least one arm"),
        ({"arms": {"a": {"seed": 1}}}, "Arm 'a' sets `seed`: give the sweep `seeds` instead"),
        ({"seeds": ()}, "at least one seed"),
        ({"seeds": (0, 0)}, "repeats a seed"),
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
        arms={"scratch": {"weights": None}} | grid(weights=(str(first), str(second))),
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
