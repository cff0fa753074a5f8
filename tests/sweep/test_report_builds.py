"""What each report says, from finished trials whose numbers are known."""

from pathlib import Path

import pytest

from core.config import TrainConfig, preset_config
from sweep import (
    ablation_epochs,
    ablation_lambdas,
    ablation_p,
    ablation_parts,
    ablation_size,
    pretraining,
)
from sweep.cli import Experiment
from sweep.report import REPORTS, Difference, Report, Spread, Table, build_report
from sweep.report._words import NO_FIDELITY
from sweep.report.render import write
from sweep.tracking import metrics
from sweep.tracking.trials import TrialSpec
from tests.sweep.results import Number, by_seed, results_of

EXPERIMENTS = {
    "ablation_epochs": ablation_epochs,
    "ablation_lambdas": ablation_lambdas,
    "ablation_p": ablation_p,
    "ablation_parts": ablation_parts,
    "ablation_size": ablation_size,
    "pretraining": pretraining,
}


def report_of(experiment: Experiment, number: Number, *, seeds: int, missing: int = 0) -> Report:
    spec = experiment.build(preset_config("digits"), range(seeds))
    return experiment.report(results_of(spec, number, missing=missing))


def column(table: Table, name: str) -> list[object]:
    index = [column.name for column in table.columns].index(name)
    return [row[index] for row in table.rows]


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_the_name_of_a_sweep_leads_to_its_report(name: str) -> None:
    experiment = EXPERIMENTS[name].EXPERIMENT
    spec = experiment.build(preset_config("digits"), range(2))
    assert spec.name == name
    assert REPORTS[name] is experiment.report
    results = results_of(spec, by_seed)
    assert build_report(results) == experiment.report(results)


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_a_method_without_tree_and_attributes_is_reported_without_them(name: str) -> None:
    spec = EXPERIMENTS[name].build(preset_config("digits"), range(2))
    kept = (metrics.final(metrics.TEST_ACCURACY), metrics.final(metrics.MINIVAL_ACCURACY))
    report = build_report(results_of(spec, by_seed, keys=kept))
    names = [column.name for column in report.tables[0].columns]
    assert names == ["arm", "accuracy", "minival", "seeds", "failed"]
    assert not report.tables[0].note
    drawn = [panel.y_label for figure in report.figures for panel in figure.panels]
    assert all("accuracy" in label for label in drawn)


WITHOUT_ATTRIBUTES = tuple(key for key in metrics.FINAL_METRICS if "fidelity" not in key)


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_data_without_attributes_is_reported_and_the_report_says_so(
    name: str, tmp_path: Path
) -> None:
    spec = EXPERIMENTS[name].build(preset_config("digits"), range(2))
    report = build_report(results_of(spec, by_seed, keys=WITHOUT_ATTRIBUTES))
    names = [column.name for column in report.tables[0].columns]
    # Zeros among the levels need no attributes.
    told = ["arm", "accuracy", "tree", "minival", "seeds", "failed"]
    assert [name for name in names if name != "zero levels"] == told
    assert report.tables[0].note == NO_FIDELITY
    drawn = [panel.y_label for figure in report.figures for panel in figure.panels]
    assert all("accuracy" in label for label in drawn)
    assert all(path.stat().st_size > 0 for path in write(report, tmp_path))


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_a_sweep_without_a_finished_trial_has_a_report(name: str, tmp_path: Path) -> None:
    spec = EXPERIMENTS[name].build(preset_config("digits"), range(1))
    report = build_report(results_of(spec, by_seed, missing=len(spec.trials())))
    assert set(column(report.tables[0], "seeds")) == {0}
    assert set(column(report.tables[0], "failed")) == {1}
    assert all(path.stat().st_size > 0 for path in write(report, tmp_path))


def test_curves_of_p_are_the_means_of_the_arms_with_those_values() -> None:
    report = report_of(ablation_p.EXPERIMENT, by_seed, seeds=3)
    fidelity, _, accuracy = report.figures[0].panels
    assert [series.label for series in fidelity.series] == [
        "$L_1$",
        "$L_2$, equal weight",
        "$L_2$, equal penalty",
    ]
    base = by_seed(
        metrics.final(metrics.FIDELITY_SCORE),
        TrialSpec(arms=("",), config=TrainConfig(mask_probability=0.0)),
    )
    for series in fidelity.series:
        assert [point.x for point in series.points] == [0, 0.1, 0.3, 0.5, 0.8, 1]
        for point in series.points:
            assert point.y == pytest.approx(base + 0.01 + 0.2 * point.x)
            assert point.seeds == pytest.approx([point.y - 0.01, point.y, point.y + 0.01])
    assert [level.label for level in accuracy.levels] == ["quantized network", "tree only"]
    assert [level.may_lie_outside for level in fidelity.levels] == [False, False, True]


def test_arms_that_share_a_run_both_show_it() -> None:
    spec = ablation_p.build(preset_config("digits"), range(2))
    assert len(spec.trials()) == 2 * 17  # "tree only" and p = 0 with either norm are one run
    table = build_report(results_of(spec, by_seed)).tables[0]
    by_arm = dict(zip(column(table, "arm"), table.rows, strict=True))
    assert by_arm["tree only"][1:]
    for norm in ("l1", "l2"):
        arm = f"sparsity_norm={norm} mask_probability=0.0"
        assert by_arm[arm][1:] == by_arm["tree only"][1:]
    assert column(table, "seeds") == [2] * 20
    assert column(table, "failed") == [0] * 20


def test_parts_report_the_effect_of_each_part() -> None:
    effect = {ablation_parts.SPARSITY: 0.03, ablation_parts.BOTH: 0.05}

    def number(key: str, trial: TrialSpec) -> float:
        return 0.5 + effect.get(trial.arm, 0.0) + 0.01 * trial.config.seed

    table = report_of(ablation_parts.EXPERIMENT, number, seeds=3).tables[1]
    pairs = list(zip(column(table, "first"), column(table, "minus"), strict=True))
    assert pairs == [
        ("+ sparsity", "quantized network"),
        ("+ tree", "quantized network"),
        ("+ both", "quantized network"),
        ("+ both", "+ sparsity"),
        ("+ both", "+ tree"),
    ]
    means = []
    for difference in column(table, "fidelity"):
        assert isinstance(difference, Difference)
        means.append(difference.mean)
        assert difference.half_width == pytest.approx(0, abs=1e-12)
    assert means == pytest.approx([0.03, 0, 0.05, 0.02, 0.05])
    assert set(column(table, "seeds")) == {3}


def test_parts_of_one_seed_have_differences_without_intervals() -> None:
    table = report_of(ablation_parts.EXPERIMENT, by_seed, seeds=1).tables[1]
    assert "one seed" in table.title
    assert "interval" not in table.title + table.note
    assert {d.half_width for d in column(table, "fidelity") if isinstance(d, Difference)} == {None}


def test_pretraining_compares_the_step_sizes_that_minival_picks() -> None:
    """Test accuracy would pick the other step size for the trunk from scratch."""
    low, high = pretraining.RATES
    minival = {("lite0", low): 0.9, ("lite0", high): 0.8, (None, low): 0.4, (None, high): 0.6}
    test = {("lite0", low): 0.85, ("lite0", high): 0.75, (None, low): 0.7, (None, high): 0.5}

    def number(key: str, trial: TrialSpec) -> float:
        arm = trial.config.weights, trial.config.learning_rate
        if key == metrics.TRAIN_SECONDS:
            return 120.0 + trial.config.seed
        return (minival if key == metrics.final(metrics.MINIVAL_ACCURACY) else test)[arm]

    report = report_of(pretraining.EXPERIMENT, number, seeds=3)
    differences = report.tables[1]
    assert column(differences, "first") == [f"weights=lite0 learning_rate={low}"]
    assert column(differences, "minus") == [f"weights=None learning_rate={high}"]
    assert [c.name for c in differences.columns[2:5]] == [
        "accuracy",
        "fidelity",
        "held-out fidelity",
    ]
    (accuracy,) = column(differences, "accuracy")
    assert isinstance(accuracy, Difference)
    assert accuracy.mean == pytest.approx(0.85 - 0.5)
    assert "by minival accuracy, 60.0 ± 0.0 %; 121 s of training." in report.texts[1]
    # Step sizes and weights have no order that a line could mean.
    assert not any(s.joined for panel in report.figures[0].panels for s in panel.series)


def test_pretraining_without_one_kind_of_weights_has_no_difference() -> None:
    report = report_of(pretraining.EXPERIMENT, by_seed, seeds=1, missing=2)
    assert report.tables[1].rows == []
    assert len(report.texts) == 1
    assert report.texts[0].startswith("weights=lite0")
    assert column(report.tables[0], "failed") == [0, 0, 1, 1]
    assert [cell is None for cell in column(report.tables[0], "accuracy")] == [False] * 2 + [
        True
    ] * 2


def test_tables_hold_spreads_unrounded() -> None:
    report = report_of(
        ablation_p.EXPERIMENT, lambda key, trial: 1 / (3 + trial.config.seed), seeds=2
    )
    (cell,) = set(column(report.tables[0], "accuracy"))
    assert isinstance(cell, Spread)
    assert cell.values == (1 / 3, 1 / 4)
    assert cell.mean == (1 / 3 + 1 / 4) / 2


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
    assert len(spec.planned()) == 60
    points = [
        (arm["sparsity_norm"], arm["mask_probability"])
        for arm in spec.arms.values()
        if len(arm) == 2 and "mask_probability" in arm
    ]
    assert points == [(norm, p) for norm in ("l1", "l2") for p in (0, 0.1, 0.3, 0.5, 0.8, 1)]
