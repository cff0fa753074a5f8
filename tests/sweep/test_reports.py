"""What the reports print and write, from finished trials whose numbers are known."""

import csv
import io
import math
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest
from matplotlib.image import imread
from rich.console import Console
from scipy import stats

from core.config import TrainConfig
from core.presets import preset_config
from sweep import ablation_p, ablation_parts, pretraining, sparsity_weight, tree_weight
from sweep.cli import Experiment
from sweep.engine.runner import SweepResult
from sweep.report.ablation_parts import BOTH, QUANTIZED, SPARSITY
from sweep.report.pairs import PairedDifference
from sweep.spec import SweepSpec, TrialSpec, arm_name
from sweep.tracking import metrics
from sweep.tracking.writer import FinishedTrial

Number = Callable[[str, TrialSpec], float]


def result(spec: SweepSpec, number: Number, missing: int = 0) -> SweepResult:
    """A sweep whose last trials failed, and whose other trials have the given numbers."""
    trials = spec.trials()
    shown = {trial.hash: trial for trial in trials[: len(trials) - missing]}
    finished = [
        FinishedTrial(
            run_id="",
            config_hash=config.hash,
            arm=arm,
            seed=config.seed,
            params={},
            final={key: number(key, shown[config.hash]) for key in metrics.FINAL_METRICS},
        )
        for arm, config in spec.planned()
        if config.hash in shown
    ]
    failures = {trial.hash: "loss is nan" for trial in trials[len(trials) - missing :]}
    return SweepResult(trials=finished, failures=failures, num_skipped=0, seconds=1.0, parallel=1)


def written(
    experiment: Experiment, folder: Path, number: Number, *, seeds: int, missing: int = 0
) -> tuple[SweepSpec, str, list[Path]]:
    spec = experiment.build(preset_config("digits"), range(seeds))
    console = Console(file=io.StringIO(), width=120)
    paths = experiment.report(spec, result(spec, number, missing), folder, console)
    assert isinstance(console.file, io.StringIO)
    return spec, console.file.getvalue(), list(paths)


def rows(path: Path) -> list[dict[str, str]]:
    with path.open() as file:
        return list(csv.DictReader(file))


def by_seed(key: str, trial: TrialSpec) -> float:
    """A value that depends on key, arm and seed in a known way."""
    base = 0.1 * (metrics.FINAL_METRICS.index(key) % 7)
    return base + 0.01 * trial.config.seed + 0.2 * trial.config.mask_probability


@pytest.mark.parametrize("experiment", [ablation_p.EXPERIMENT, ablation_parts.EXPERIMENT])
def test_table_holds_mean_deviation_and_seeds_of_every_arm(
    experiment: Experiment, tmp_path: Path
) -> None:
    spec, _, paths = written(experiment, tmp_path, by_seed, seeds=3)
    table = {row["arm"]: row for row in rows(paths[0])}
    assert list(table) == list(spec.arms())
    key = metrics.final(metrics.FIDELITY_SCORE)
    trial_of = {arm: trial for trial in spec.trials() for arm in trial.arms}
    for arm, trial in trial_of.items():
        row = table[arm]
        seed_0 = by_seed(key, trial) - 0.01 * trial.config.seed
        assert float(row["fidelity mean"]) == pytest.approx(seed_0 + 0.01, abs=1e-6)
        assert float(row["fidelity deviation"]) == pytest.approx(0.01, abs=1e-6)
        assert (row["seeds"], row["failed"]) == ("3", "0")


def test_failed_trials_are_counted_and_an_arm_without_any_other_has_no_mean(
    tmp_path: Path,
) -> None:
    spec, text, paths = written(ablation_p.EXPERIMENT, tmp_path, by_seed, seeds=1, missing=2)
    table = rows(paths[0])
    assert [row["failed"] for row in table[-2:]] == ["1", "1"]
    assert [row["fidelity mean"] for row in table[-2:]] == ["", ""]
    assert {row["failed"] for row in table[:-2]} == {"0"}
    # One seed has no deviation: no number, neither printed nor drawn.
    assert "nan" not in text
    assert "±" not in text.split("deviation over seeds", 1)[1]
    assert all(path.exists() for path in paths)
    assert len(table) == len(spec.arms())


def test_figure_of_p_moves_with_its_numbers(tmp_path: Path) -> None:
    pictures = []
    for name, slope in (("flat", 0.0), ("rising", 0.3)):

        def number(key: str, trial: TrialSpec, slope: float = slope) -> float:
            return 0.5 + slope * trial.config.mask_probability

        folder = tmp_path / name
        folder.mkdir()
        _, _, paths = written(ablation_p.EXPERIMENT, folder, number, seeds=2)
        pictures.append(imread(paths[1]))
    assert pictures[0].shape == pictures[1].shape
    assert pictures[0].std() > 0.05
    assert (pictures[0] != pictures[1]).any()


def test_paired_differences_are_those_of_scipy() -> None:
    first = {0: 0.61, 1: 0.64, 2: 0.60, 3: 0.66}
    second = {0: 0.58, 1: 0.60, 2: 0.59, 3: 0.61}
    difference = PairedDifference.of(first, second)
    expected = stats.ttest_rel(list(first.values()), list(second.values()))
    interval = expected.confidence_interval(0.95)
    assert difference.mean == pytest.approx((interval.low + interval.high) / 2)
    assert difference.half_width == pytest.approx((interval.high - interval.low) / 2)
    assert difference.count == 4


def test_differences_pair_the_seeds_that_both_arms_have() -> None:
    difference = PairedDifference.of({0: 1.0, 1: 2.0, 7: 9.0}, {1: 1.5, 0: 0.5, 8: 3.0})
    assert difference.mean == pytest.approx(0.5)
    assert difference.half_width == pytest.approx(0.0)
    assert difference.count == 2
    alone = PairedDifference.of({0: 1.0}, {0: 0.25})
    assert alone.mean == 0.75
    assert math.isnan(alone.half_width)
    assert math.isnan(PairedDifference.of({0: 1.0}, {1: 1.0}).mean)


def test_parts_report_the_effect_of_each_part(tmp_path: Path) -> None:
    effect = {QUANTIZED: 0.0, SPARSITY: 0.03, BOTH: 0.05}

    def number(key: str, trial: TrialSpec) -> float:
        return 0.5 + effect.get(trial.arm, 0.0) + 0.01 * trial.config.seed

    _, text, paths = written(ablation_parts.EXPERIMENT, tmp_path, number, seeds=3)
    found = {
        (row["first"], row["second"]): row for row in rows(paths[1]) if row["metric"] == "fidelity"
    }
    assert float(found[SPARSITY, QUANTIZED]["mean"]) == pytest.approx(0.03)
    assert float(found[BOTH, SPARSITY]["mean"]) == pytest.approx(0.02)
    assert {row["seeds"] for row in found.values()} == {"3"}
    assert "+3.0 [+3.0, +3.0]" in text
    assert imread(paths[2]).std() > 0.05


@pytest.mark.parametrize("module", [sparsity_weight, tree_weight])
def test_the_weight_is_the_largest_that_costs_at_most_a_point(
    module: ModuleType, tmp_path: Path
) -> None:
    accuracy = dict(zip(module.WEIGHTS, (0.97, 0.965, 0.90), strict=True))
    (field,) = module.build(TrainConfig(), range(1)).axes

    def number(key: str, trial: TrialSpec) -> float:
        return accuracy[getattr(trial.config, field)]

    _, text, paths = written(module.EXPERIMENT, tmp_path, number, seeds=2)
    assert f"The largest within 1 point of the best: {module.WEIGHTS[1]}" in text
    arms = [arm_name({field: weight}) for weight in accuracy]
    assert [row["arm"] for row in rows(paths[0])] == arms


def test_pretraining_compares_the_step_sizes_that_minival_picks(tmp_path: Path) -> None:
    """Test accuracy would pick the other step size for the trunk from scratch."""
    low, high = pretraining.RATES
    minival = {("lite0", low): 0.9, ("lite0", high): 0.8, (None, low): 0.4, (None, high): 0.6}
    test = {("lite0", low): 0.85, ("lite0", high): 0.75, (None, low): 0.7, (None, high): 0.5}

    def number(key: str, trial: TrialSpec) -> float:
        arm = trial.config.weights, trial.config.learning_rate
        if key == metrics.TRAIN_SECONDS:
            return 120.0 + trial.config.seed
        return (minival if key == metrics.final(metrics.MINIVAL_ACCURACY) else test)[arm]

    spec, text, paths = written(pretraining.EXPERIMENT, tmp_path, number, seeds=3)
    best = [arm_name({"weights": "lite0", "learning_rate": low})]
    best.append(arm_name({"weights": None, "learning_rate": high}))
    differences = rows(paths[1])
    assert {(row["first"], row["second"]) for row in differences} == {tuple(best)}
    assert [row["metric"] for row in differences] == ["accuracy", "fidelity", "held-out fidelity"]
    assert float(differences[0]["mean"]) == pytest.approx(0.85 - 0.5)
    assert "by minival accuracy, 60.0 ± 0.0; 121 s of training" in text
    assert len(rows(paths[0])) == len({trial.arm for trial in spec.trials()}) == 4
    assert imread(paths[2]).std() > 0.05


def test_pretraining_without_one_kind_of_weights_has_no_difference(tmp_path: Path) -> None:
    _, text, paths = written(pretraining.EXPERIMENT, tmp_path, by_seed, seeds=1, missing=2)
    assert rows(paths[1]) == []
    assert "Paired differences" not in text
    assert "weights=None lr=0.05: the best" not in text
    assert [row["failed"] for row in rows(paths[0])] == ["0", "0", "1", "1"]


def test_pretraining_differs_in_its_weights_alone() -> None:
    base = preset_config("field_guide").replace(pretraining.SETTINGS)
    trials = pretraining.build(base, range(3)).trials()
    assert len(trials) == 12
    rest = [
        trial.config.replace({"weights": None, "weights_sha256": None})
        for trial in trials
        if trial.config.weights == "lite0"
    ]
    assert rest == [trial.config for trial in trials if trial.config.weights is None]
    assert {(config.image_size, config.trunk) for config in rest} == {(96, "tf_efficientnet_lite0")}
    assert all(
        (trial.config.weights_sha256 is None) == (trial.config.weights is None) for trial in trials
    )


def test_fixed_parts_of_the_spec_are_those_of_the_paper() -> None:
    spec = ablation_p.build(TrainConfig(), range(3))
    assert len(spec.planned()) == 42
    assert set(spec.axes["mask_probability"]) == {0, 0.1, 0.3, 0.5, 0.8, 1}
    assert set(spec.axes["sparsity_norm"]) == {"l1", "l2"}
