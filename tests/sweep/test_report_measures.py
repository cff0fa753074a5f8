"""The measures beside fidelity: logged, held in files, and shown when they are asked for."""

import io
from dataclasses import fields

import pytest
from rich.console import Console

from core.config import preset_config
from core.fidelity import Measures
from sweep import ablation_p, ablation_parts, table1
from sweep.cli import EXIT_REFUSED, main
from sweep.errors import SweepError
from sweep.report import MEASURES, Report, build_report, show_measures
from sweep.report.__main__ import main as report_main
from sweep.report.render import show, to_arrow
from sweep.spec import SweepSpec
from sweep.tracking import metrics
from tests.sweep.results import results_of
from tests.sweep.test_table1 import KEYS, number, spec_of


def seen(report: Report, name: str) -> list[str]:
    (table,) = (table for table in report.tables if table.name == name)
    return [column.name for column in table.columns if column.narrow]


def report_of(spec: SweepSpec) -> Report:
    return build_report(results_of(spec, number, keys=KEYS))


def test_every_measure_that_trials_log_has_a_heading() -> None:
    assert set(MEASURES) == {field.name for field in fields(Measures)} | {"gain"}
    assert set(MEASURES) <= set(metrics.ASSESSMENT)
    assert len({measure.heading for measure in MEASURES.values()}) == len(MEASURES)


def test_tables_show_what_is_asked_for_and_hold_all() -> None:
    report = report_of(spec_of("--methods", "sdt", "quantized", "--datasets", "digits"))
    usual = seen(report, "table_digits")
    assert seen(show_measures(report, None), "table_digits") == usual
    two = show_measures(report, ["coalition_f1", "one_to_one"])
    assert seen(two, "table_digits") == [*usual, "one to one", "coalition F1"]
    every = show_measures(report, [])
    assert seen(every, "table_digits") == [*usual, *(m.heading for m in MEASURES.values())]
    assert [*every.texts, *report.texts] == []
    held = to_arrow(report.tables[0]).column_names
    for measure in MEASURES.values():
        assert {f"{measure.heading} mean", f"{measure.heading} deviation"} <= set(held)
    # Counts are no shares, and a ratio that may be above 1 is none.
    numbers = {column.name for column in report.tables[0].columns if column.unit == "number"}
    assert numbers == {"distinct features", "coalition size", "SLDD alignment"}


def test_other_sweeps_hold_and_show_them_too() -> None:
    for experiment in (ablation_p, ablation_parts):
        report = report_of(experiment.build(preset_config("digits"), range(2)))
        assert "one to one" not in seen(report, "table")
        assert "one to one" in seen(show_measures(report, ["one_to_one"]), "table")


def test_what_no_trial_has_is_said() -> None:
    spec = spec_of("--methods", "sdt", "--datasets", "digits")
    keys = [key for key in KEYS if "switch" not in key]
    report = show_measures(build_report(results_of(spec, number, keys=keys)), [])
    assert report.texts == [
        "No trial has counterfactual_switch: its data or its method gives none."
    ]


def test_a_table_that_is_too_wide_comes_in_parts_that_name_the_rows() -> None:
    report = show_measures(report_of(spec_of("--methods", "sdt", "--datasets", "digits")), [])
    console = Console(file=io.StringIO(), width=80)
    show(Report(title="t", tables=report.tables[:1]), console)
    assert isinstance(console.file, io.StringIO)
    lines = console.file.getvalue().splitlines()
    headings = [line.split() for line in lines if line.startswith(" row")]
    assert len(headings) > 2
    assert " ".join(" ".join(line) for line in headings).count("row") == len(headings)
    for measure in MEASURES.values():
        assert sum(f" {measure.heading}" in line for line in lines if line[:4] == " row") == 1
    assert "…" not in console.file.getvalue()
    assert max(map(len, lines)) <= 80
    assert sum(line.startswith(" sdt ") for line in lines) == len(headings)


@pytest.mark.parametrize("command", ["sweep", "report"])
def test_an_unknown_measure_is_refused_with_the_closest(
    command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    given = ["--measures", "one_to_on"]
    if command == "sweep":
        code = main(table1.EXPERIMENT, ["--dry-run", "--datasets", "digits", *given])
    else:
        code = report_main(["table1", *given])
    assert code == EXIT_REFUSED
    printed = " ".join(capsys.readouterr().out.split())
    assert "--measures 'one_to_on' is no measure. Did you mean 'one_to_one'?" in printed
    with pytest.raises(SweepError, match=r"'zzz' is no measure\. There are: gain, one_to_one"):
        show_measures(Report(title="t"), ["zzz"])
