"""Rows on data sets: which trials, what is refused, and what the report says."""

import argparse
import functools
from pathlib import Path

import pytest

from core.config import preset_config
from core.methods import ROWS
from sweep import table1
from sweep.cli import EXIT_REFUSED, main
from sweep.report import Difference, Spread, build_report
from sweep.report._published import NAMES, published
from sweep.report.render import write
from sweep.spec import SweepSpec
from sweep.tracking import metrics
from sweep.tracking.trials import TrialSpec
from tests.sweep.command import call
from tests.sweep.results import results_of

DATASETS = ("field_guide", "digits")
KEYS = (*metrics.FINAL_METRICS, *metrics.ASSESSMENT_METRICS)


def spec_of(*arguments: str, seeds: int = 2) -> SweepSpec:
    parser = argparse.ArgumentParser()
    table1.add_flags(parser)
    parser.set_defaults(data=[])
    options = parser.parse_args(arguments)
    return table1.build(preset_config(options.datasets[0]), range(seeds), options)


def number(key: str, trial: TrialSpec) -> float:
    """Of the method and the seed."""
    base = {"intersection": 0.5, "sdt": 0.4}.get(trial.config.method, 0.3)
    return base + 0.01 * trial.config.seed + 0.001 * (KEYS.index(key) % 5)


def test_every_row_on_every_data_set() -> None:
    spec = spec_of()
    assert len(spec.arms) == 2 * len(ROWS)
    assert {arm.rsplit(" ", 1)[1] for arm in spec.arms} == {"field_guide", "digits"}
    for arm, config in spec.planned():
        row, dataset = arm.rsplit(" ", 1)
        assert config.dataset == dataset
        preset = preset_config(dataset)
        # Budgets are equal.
        for field in ("num_epochs", "batch_size", "crop_size", "image_size", "split_seed"):
            assert getattr(config, field) == getattr(preset, field)
        assert config.replace({"seed": 0}) == preset.replace(ROWS[row])


def test_the_papers_rows_are_there_in_its_numbers() -> None:
    assert set(NAMES) & set(ROWS) >= {"sdt", "ant", "quantized", "quantized+l1", "intersection"}
    assert published("intersection", "cub") == pytest.approx((0.8516, 0.3225))
    assert published("quantized+dt", "awa2") == pytest.approx((0.4625, 0.5249))
    assert published("sdt:scratch", "cub") == (None, None), "another reading is not the paper's"
    assert published("intersection", "digits") == (None, None)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--methods", "sdtt"), "'sdtt' is no row of Table 1. Did you mean 'sdt'?"),
        (("--methods", "sdt", "sdt"), "Row 'sdt' is given twice"),
        (("--datasets", "digits", "digits"), "Dataset 'digits' is given twice"),
        (("--datasets", "cub", "--methods", "sdt"), "`data` must say where 'cub' was packed"),
    ],
)
def test_what_cannot_be_is_refused_in_a_line(
    arguments: tuple[str, ...], message: str, tmp_path: Path
) -> None:
    command = functools.partial(main, table1.EXPERIMENT)
    code, text = call(command, "--output", tmp_path, *arguments)
    assert code == EXIT_REFUSED
    assert message in text


def test_the_report_has_a_table_differences_and_a_figure_for_each_data_set(tmp_path: Path) -> None:
    spec = spec_of("--methods", "quantized", "intersection", "sdt", seeds=3)
    report = build_report(results_of(spec, number, keys=KEYS))
    names = [table.name for table in report.tables]
    kinds = ("table", "controls", "differences")
    assert names == [f"{kind}_{dataset}" for dataset in DATASETS for kind in kinds]
    assert [figure.name for figure in report.figures] == [
        f"{kind}_{dataset}" for dataset in DATASETS for kind in ("figure", "rows")
    ]
    table = report.tables[0]
    columns = [column.name for column in table.columns]
    assert "paper's fidelity" not in columns, "it printed none of a field guide"
    by_row = {row[0]: row for row in table.rows}
    assert list(by_row) == ["quantized", "intersection", "sdt"]
    accuracy = by_row["sdt"][columns.index("accuracy")]
    assert isinstance(accuracy, Spread)
    expected = [
        number(metrics.final(metrics.TEST_ACCURACY), trial)
        for trial in spec.trials()
        if trial.arms[0] == "sdt field_guide"
    ]
    assert accuracy.values == pytest.approx(expected)
    assert "field_guide, rows less intersection" in report.tables[2].title
    row, difference = report.tables[2].rows[-1][:2]
    assert row == "sdt"
    assert isinstance(difference, Difference)
    assert difference.mean == pytest.approx(-0.1)
    assert all(path.stat().st_size > 0 for path in write(report, tmp_path))


def test_controls_stand_beside_fidelity_where_there_are_attributes() -> None:
    spec = spec_of("--methods", "quantized", "sdt", "--datasets", "digits")
    table = build_report(results_of(spec, number, keys=KEYS)).tables[1]
    assert table.name == "controls_digits"
    seen = [column.name for column in table.columns if column.narrow]
    assert seen == ["row", "untrained", "shuffled", "shuffled within classes", "probes"]
    columns = [column.name for column in table.columns]
    assert {"stumps", "fidelity, untrained", "fidelity, shuffled within classes"} <= set(columns)
    cell = table.rows[1][columns.index("untrained")]
    assert isinstance(cell, Spread)
    sdt = [trial for trial in spec.trials() if trial.config.method == "sdt"]
    key = metrics.final("untrained_heldout")
    assert cell.values == pytest.approx([number(key, trial) for trial in sdt])
    assert "a class detector (one-hot classes): " in table.note
    assert "a constant (the floor): " in table.note
    without = [
        key for key in KEYS if "fidelity" not in key and key not in metrics.ASSESSMENT_METRICS
    ]
    report = build_report(results_of(spec, number, keys=without))
    assert [table.name for table in report.tables] == ["table_digits"]
    assert [figure.name for figure in report.figures] == ["rows_digits"]


def test_seeds_are_a_column_only_where_rows_differ_in_them() -> None:
    spec = spec_of("--methods", "quantized", "sdt", "--datasets", "digits")
    for missing, is_seen, words in ((0, False, "over 2 seeds"), (1, True, "over seeds")):
        report = build_report(results_of(spec, number, keys=KEYS, missing=missing))
        table = report.tables[0]
        assert [column.narrow for column in table.columns[-2:]] == [is_seen, is_seen]
        assert table.title.endswith(words)


def test_the_papers_numbers_stand_beside_ours_on_its_own_data() -> None:
    # No weights are read for a plan's arms here.
    spec = SweepSpec(
        name="table1",
        title="t",
        base=preset_config("digits"),
        arms={"sdt cub": {"method": "sdt"}, "intersection cub": {}},
    )
    report = build_report(results_of(spec, number, keys=KEYS))
    columns = [column.name for column in report.tables[0].columns]
    row = report.tables[0].rows[0]
    assert row[columns.index("paper's accuracy")] == pytest.approx(0.0726)
    assert row[columns.index("paper's fidelity")] == pytest.approx(0.17)


def test_a_table_without_a_finished_trial_has_no_figure() -> None:
    spec = spec_of("--methods", "sdt", "--datasets", "digits", seeds=1)
    report = build_report(results_of(spec, number, keys=KEYS, missing=1))
    assert report.figures == []
    assert report.tables[0].rows[0][-2:] == [0, 1]
