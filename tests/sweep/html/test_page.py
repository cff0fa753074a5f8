"""What a page says, read back from its text."""

import base64
import dataclasses
import io
import json
import shutil
import time
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import plotly.graph_objects as go
import pytest
from PIL import Image

from sweep.errors import SweepError
from sweep.report import Point, answer_of, build_report
from sweep.report.__main__ import EXIT_OK, EXIT_REFUSED, main
from sweep.report.html import SweepView, check_runs, chosen_runs, render, sweep_view, write_page
from sweep.report.html._images import data_uri
from sweep.report.html._labels import label_positions
from sweep.report.html._plots import Plot, plots_of
from sweep.report.html._run import run_view
from sweep.report.html._sweep import table_view
from sweep.report.html._tree_drawing import BOX_HEIGHT, BOX_WIDTH, tree_drawing
from sweep.tracking import metrics
from sweep.tracking.results import FinishedTrial, SweepResults
from tests.core.gallery.test_tree_tests import match, three_classes
from tests.sweep.html.foreign import FIGURE, MARKUP, with_markup
from tests.sweep.html.stored import spec_of
from tests.sweep.results import by_seed, results_of
from tests.sweep.test_report_search import searched


class Elements(HTMLParser):
    """Every element with its attributes, and all text outside of styles and scripts."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self._inside: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))
        self._inside.append(tag)

    def handle_data(self, data: str) -> None:
        if self._inside[-1:] not in (["script"], ["style"]):
            self.words.append(data)

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.found if name == tag]

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())


@pytest.fixture(scope="module")
def view(stored: tuple[Path, SweepResults, FinishedTrial]) -> SweepView:
    return sweep_view(stored[1])


@pytest.mark.slow
def test_a_page_tells_the_sweep_and_looks_into_its_best_run(
    stored: tuple[Path, SweepResults, FinishedTrial], view: SweepView, tmp_path: Path
) -> None:
    folder, _, trial = stored
    path = tmp_path / "new" / "page.html"
    uri = f"sqlite:///{folder / 'mlflow.db'}"
    command = ["ablation_parts", "--tracking-uri", uri, "--html", str(path)]
    assert main([*command, "--output", str(tmp_path / "none")]) == EXIT_OK
    assert not (tmp_path / "none").exists()
    assert path.read_text() == render([view]), "the same numbers give the same page"
    page = Elements(path.read_text())
    assert page.text.count("loss is nan") == 2  # a failed arm, two seeds
    for sentence in (view.question, view.answer, view.command, *view.cost):
        assert sentence in page.text
    assert f"Run {trial.run_id} in MLflow" in page.text
    (run,) = view.runs
    assert run.run_id == trial.run_id
    assert dict(run.facts)["test accuracy"] == (
        f"{100 * trial.final[metrics.final(metrics.TEST_ACCURACY)]:.1f} %"
    )
    gains = [a.match.heldout_f1 - a.match.floor for a in run.attributes if a.match.heldout_f1]
    assert gains == sorted(gains, reverse=True)
    assert all(image["alt"] and str(image["src"]).startswith("data:") for image in page.all("img"))
    shown = [p for a in run.attributes for p in (*a.fires, *a.missed)]
    shown += [p for t in run.tests for c in t.classes for p in c.pictures]
    assert len(page.all("img")) == len(shown)
    for name, value in [item for a in page.found for item in a[1].items()]:
        if name in ("src", "href", "srcset", "action", "data"):
            assert str(value).startswith(("data:", "#")), value


@pytest.mark.slow
def test_another_run_is_looked_into_when_asked_for(
    stored: tuple[Path, SweepResults, FinishedTrial],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    folder, results, trial = stored
    other = next(t for t in results.trials if t.run_id != trial.run_id)
    uri = f"sqlite:///{folder / 'mlflow.db'}"
    command = ["ablation_parts", "--tracking-uri", uri]
    html = ["--html", str(tmp_path / "page.html")]
    assert main([*command, *html, "--run", other.run_id]) == EXIT_OK
    assert "warning: The method of this run has no levels" in capsys.readouterr().out
    assert other.run_id in (tmp_path / "page.html").read_text()
    for refused, message in (
        ([*command, *html, "--run", "none"], "--run 'none' is no finished run"),
        ([*command, "--run", trial.run_id], "give --html FILE as well"),
        ([*command, *html, "--data", "cub"], "--data takes NAME=PATH"),
    ):
        assert main(refused) == EXIT_REFUSED
        assert message in capsys.readouterr().out


@pytest.mark.slow
def test_other_data_than_the_runs_gives_no_pictures(
    stored: tuple[Path, SweepResults, FinishedTrial],
) -> None:
    _, results, trial = stored
    changed = dataclasses.replace(trial, dataset_fingerprint="0" * 64)
    found = run_view(results, changed, name="n", why="w", facts=(), places={})
    assert "but the run saw 000000000000" in found.notices[0]
    assert found.num_pictured == 0
    assert found.tests == []
    assert found.attributes
    assert found.tree is not None


@pytest.mark.slow
def test_packed_data_is_looked_for_where_it_was_said_to_lie(
    stored: tuple[Path, SweepResults, FinishedTrial], tmp_path: Path
) -> None:
    folder, results, trial = stored
    changed = tmp_path / "run"
    shutil.copytree(folder / "run", changed)
    settings = json.loads((changed / "extractor.json").read_text())
    settings["config"] |= {"dataset": "cub", "resize_size": 10, "crop_size": 8}
    (changed / "extractor.json").write_text(json.dumps(settings))
    other = next(t for t in results.trials if t.seed != trial.seed)
    results.open_client().log_artifacts(other.run_id, str(changed))
    found = run_view(results, other, name="n", why="w", facts=(), places={})
    assert found.notices == ["No pictures: cub is packed, and no --data said where it lies here."]
    assert found.attributes
    with pytest.raises(SweepError, match="cannot be looked at"):
        run_view(results, other, name="n", why="w", facts=(), places={"cub": str(tmp_path)})


@pytest.mark.slow
def test_five_hundred_runs_take_less_than_20_seconds_and_20_megabytes(
    stored: tuple[Path, SweepResults, FinishedTrial], tmp_path: Path
) -> None:
    _, results, trial = stored
    many = results_of(spec_of(125), by_seed)
    start = time.process_time()
    view = sweep_view(
        dataclasses.replace(many, client=results.client, trials=[*many.trials, trial]),
        run_ids=[trial.run_id],
    )
    size = write_page([view], tmp_path / "page.html")
    assert time.process_time() - start < 20
    assert size < 20e6
    assert view.about[0] == ("finished trials", "501 of 500")
    assert view.runs[0].num_pictured > 10


@pytest.fixture(scope="module")
def search(tmp_path_factory: pytest.TempPathFactory) -> SweepResults:
    return searched(tmp_path_factory.mktemp("search"), 6, failed=1)


def test_a_search_has_optunas_plots(search: SweepResults) -> None:
    results = search
    view = sweep_view(results)
    titles = [plot.title for plot in view.plots]
    assert titles[:2] == ["History of minival accuracy", "Importances, mostly noise"]
    assert "Parallel coordinates" in titles
    assert titles[-7:] == [f"{n} by itself" for n in ("λ1", "λ2", "λ3", "p", "norm", "n", "r")]
    assert "From 6 trials only" in view.plots[1].alternative
    assert len(view.failures) == 1
    best = max(results.trials, key=lambda t: t.final[metrics.final(metrics.MINIVAL_ACCURACY)])
    assert view.runs[0].run_id == best.run_id
    assert "p=" in view.runs[0].name
    parallel = view.plots[titles.index("Parallel coordinates")].figure
    lines = [trace for trace in parallel.data if trace.mode == "lines"]
    assert len(lines) == 6
    assert all(0.1 < trace.opacity <= 1 for trace in lines)
    assert sweep_view(results).plots[1].figure == view.plots[1].figure


def test_a_front_of_what_the_trials_have(search: SweepResults) -> None:
    results = search
    heldout = metrics.final(metrics.FIDELITY_HELDOUT)
    trials = [
        dataclasses.replace(trial, final={**trial.final, heldout: 0.1 * number})
        for number, trial in enumerate(results.trials)
    ]
    (front,) = (
        plot
        for plot in sweep_view(dataclasses.replace(results, trials=trials)).plots
        if plot.title.startswith("Pareto")
    )
    values = [(t.final[metrics.final(metrics.MINIVAL_ACCURACY)], t.final[heldout]) for t in trials]
    best = [a for a in values if not any(b != a and b[0] >= a[0] and b[1] >= a[1] for b in values)]
    assert sorted(row[1:] for row in front.numbers) == sorted(
        [f"{100 * first:.4g}", f"{100 * second:.4g}"] for first, second in best
    )
    assert "took no part in the search" in front.alternative


def test_several_objectives_have_a_history_each_and_a_front_of_two(tmp_path: Path) -> None:
    results = searched(tmp_path, 5, objective="minival-accuracy train-seconds")
    trials = [
        dataclasses.replace(trial, final={**trial.final, metrics.TRAIN_SECONDS: 9.0 - number})
        for number, trial in enumerate(results.trials)
    ]
    view = sweep_view(dataclasses.replace(results, trials=trials))
    titles = [plot.title for plot in view.plots]
    assert titles[:3] == [
        "History of minival accuracy",
        "History of train seconds",
        "Pareto front: minival accuracy and train seconds",
    ]
    assert "which ends at 5." in view.plots[1].alternative
    assert "has the lowest train seconds, 5;" in view.answer
    best = max(trials, key=lambda trial: trial.final[metrics.final(metrics.MINIVAL_ACCURACY)])
    assert view.runs[0].run_id == best.run_id
    assert view.plots[2].numbers[-1][2] == "5"


def test_names_with_markup_are_text() -> None:
    results = results_of(spec_of(), by_seed, missing=3)
    view = with_markup(sweep_view(dataclasses.replace(results, trials=[])))
    plot = Plot(title=MARKUP, figure=go.Figure(layout={"title": MARKUP}), alternative=MARKUP)
    page = Elements(render([dataclasses.replace(view, plots=[plot])]))
    assert page.all("img") == []
    assert len(page.all("script")) == 3  # the figure's numbers, Plotly, the page's own
    assert page.text.count("onerror=alert(1)") > 8


def test_a_figure_is_its_own_numbers() -> None:
    (plot,) = plots_of(FIGURE)
    means = {trace.name: trace for trace in plot.figure.data if trace.name}
    assert list(means) == ["first", "second", "a reference"]
    assert means["first"].mode == "lines+markers"
    assert means["second"].mode == "markers"
    points = FIGURE.panels[0].series[0].points
    assert list(means["first"].y) == [100 * point.y for point in points]
    low, high = points[0].interval or (0.0, 0.0)
    assert means["first"].error_y.array[0] == pytest.approx(100 * (high - points[0].y))
    assert means["first"].error_y.arrayminus[0] == pytest.approx(100 * (points[0].y - low))
    assert means["first"].marker.symbol != means["second"].marker.symbol
    assert plot.alternative == "Scores rise. The floor, 10.0 %, lies below this frame."
    assert plot.numbers[0][:3] == ["first", "a", "61.7 %"]
    assert "10.0 %" in plot.numbers[-1]
    frame = plot.figure.layout.yaxis.range
    assert frame[0] > 10
    assert frame[1] >= 73


def test_bars_lie_beside_their_names() -> None:
    panel = dataclasses.replace(
        FIGURE.panels[0], horizontal=True, series=FIGURE.panels[0].series[:1]
    )
    (plot,) = plots_of(dataclasses.replace(FIGURE, panels=[panel]))
    (bars,) = plot.figure.data
    assert (bars.orientation, list(bars.y)) == ("h", ["a", "b", "c"])


def test_many_series_are_named_beside_their_points_and_not_in_a_legend() -> None:
    series = [
        dataclasses.replace(FIGURE.panels[0].series[0], label=f"<{number}>") for number in range(9)
    ]
    panel = dataclasses.replace(
        FIGURE.panels[0], labelled=True, categories=None, levels=(), series=series
    )
    (plot,) = plots_of(dataclasses.replace(FIGURE, panels=[panel]))
    named = [trace for trace in plot.figure.data if trace.text is not None and not trace.name]
    assert [trace.text[0] for trace in named] == [f"&lt;{number}&gt;" for number in range(9)]
    assert plot.figure.layout.showlegend is False
    marks = {(t.marker.color, t.marker.symbol) for t in plot.figure.data if t.name}
    assert len(marks) == 9
    assert plot.size == "wide"


def test_rows_of_marks_have_their_names_and_levels_stand_upright() -> None:
    panel = dataclasses.replace(FIGURE.panels[0], rows=["<a>", "b", "c"], categories=None)
    (plot,) = plots_of(dataclasses.replace(FIGURE, panels=[panel]))
    axis = plot.figure.layout.yaxis
    assert list(axis.ticktext) == ["&lt;a&gt;", "b", "c"]
    assert axis.range[0] > axis.range[1], "the first row is on top"
    (reference,) = (trace for trace in plot.figure.data if trace.name == "a reference")
    assert list(reference.x) == [65.0, 65.0]
    (first,) = (trace for trace in plot.figure.data if trace.name == "first")
    assert list(first.x) == [100 * point.y for point in FIGURE.panels[0].series[0].points]
    assert plot.numbers[0][1] == "<a>"
    assert plot.height is not None


@pytest.mark.parametrize(("errors", "kind"), [((0.1, 0.2, 0.4), "linear"), ((0, 0.1, 0.2), "log")])
def test_fewer_errors_lie_to_the_right(errors: tuple[float, ...], kind: str) -> None:
    points = [Point(x=x, y=0.5 + x) for x in errors]
    series = [dataclasses.replace(FIGURE.panels[0].series[0], points=points)]
    panel = dataclasses.replace(
        FIGURE.panels[0],
        error_axis=True,
        labelled=True,
        categories=None,
        series=series,
        levels=(),
        x_label="test error",
    )
    (plot,) = plots_of(dataclasses.replace(FIGURE, panels=[panel]))
    axis = plot.figure.layout.xaxis
    assert (axis.type, axis.title.text) == (kind, "test error (%)")
    assert axis.range[0] > axis.range[1]
    marks = next(trace for trace in plot.figure.data if trace.name == "first")
    assert list(marks.x) == [100 * max(x, 5e-4) for x in errors]


def test_names_leave_each_other_room_where_there_is_some() -> None:
    # All in one place: above, below, right and left of it, and then no room is left.
    names = label_positions([(0.5, 0.5)] * 5, ["name"] * 5, (0.0, 1.0))
    assert names[:4] == ["top center", "bottom center", "middle right", "middle left"]
    assert names[4] == "top center"
    # A neighbour's mark just above takes the place above.
    crowded = label_positions([(0.0, 0.5), (0.0, 0.54), (1.0, 0.5)], ["a", "b", "c"], (0.0, 1.0))
    assert crowded == ["bottom center", "top center", "top center"]


def test_json_of_a_figure_cannot_end_its_element() -> None:
    text = render([_empty(plots=[Plot(title="t", figure=_titled(MARKUP), alternative="a")])])
    (start,) = (i for i in [text.find('id="figure-1-1">')] if i > 0)
    content = text[start + len('id="figure-1-1">') :].split("</script>", 1)[0]
    assert json.loads(content)["layout"]["xaxis"]["title"]["text"] == MARKUP


def _titled(text: str) -> go.Figure:
    return go.Figure(layout={"xaxis": {"title": {"text": text}}})


def _empty(**changes: object) -> SweepView:
    results = results_of(spec_of(), by_seed, missing=0)
    view = sweep_view(dataclasses.replace(results, trials=[]))
    return dataclasses.replace(view, **changes)  # type: ignore[arg-type]


def test_answers_say_who_leads_and_whether_it_may_be_chance() -> None:
    key = metrics.final(metrics.FIDELITY_HELDOUT)

    def numbers(lead: float, seeds: int) -> str:
        values = {"+ both": 0.6 + lead, "+ tree": 0.6}
        results = results_of(
            spec_of(seeds),
            lambda _, trial: (
                values.get(trial.arm, 0.5) + 0.01 * trial.config.seed * (trial.arm == "+ both")
            ),
            keys=(key,),
        )
        return answer_of(results)

    assert "Held-out fidelity is highest for “+ both”, 70.0 % with one seed" in numbers(0.1, 1)
    assert "from too few seeds to tell that from chance" in numbers(0.1, 2)
    certain = numbers(0.1, 3)
    assert "71.0 ± 1.0 % over 3 seeds; +11.0 points on the next, “+ tree” [+8.5, +13.5]" in certain
    assert "chance" not in certain
    assert "which may be chance" in numbers(0.0, 3)
    assert "accuracy" not in certain
    nothing = dataclasses.replace(results_of(spec_of(), by_seed), trials=[])
    assert answer_of(nothing) == "No trial is finished yet."


def test_the_run_whose_tree_is_best_is_chosen_and_attributes_choose_nothing() -> None:
    results = results_of(spec_of(), by_seed)
    tree, fidelity = metrics.final(metrics.MINIVAL_TREE_ACCURACY), metrics.final("fidelity_score")
    trials = [
        dataclasses.replace(
            trial, run_id=str(n), final={**trial.final, tree: (0.5, 0.9)[n == 3], fidelity: -n}
        )
        for n, trial in enumerate(results.trials)
    ]
    (chosen,) = chosen_runs(dataclasses.replace(results, trials=trials))
    assert chosen.trial.run_id == "3"
    assert chosen.why == "the run of the highest minival accuracy of the tree, 90.0 %"
    without = [
        dataclasses.replace(t, final={k: v for k, v in t.final.items() if k != tree})
        for t in trials
    ]
    (chosen,) = chosen_runs(dataclasses.replace(results, trials=without))
    assert chosen.why.startswith("the run of the highest minival accuracy,")
    assert chosen_runs(dataclasses.replace(results, trials=[])) == []
    with pytest.raises(SweepError, match="is no finished run"):
        check_runs([results], ["x"])


def test_the_best_of_each_column_is_marked_and_differences_have_none() -> None:
    report = build_report(results_of(spec_of(), by_seed))
    table, differences = map(table_view, report.tables)
    assert set(table.names) < set(table.all_columns.names if table.all_columns else ())
    table = table.all_columns or table
    found = {name: place for place, name in enumerate(table.names)}
    accuracies = [row[found["accuracy"]] for row in table.rows]
    marked = [row[found["accuracy"]] for row in table.best]
    assert [text for text, mark in zip(accuracies, marked, strict=True) if mark]
    assert all(
        mark == (text == max(accuracies)) for text, mark in zip(accuracies, marked, strict=True)
    )
    assert not any(row[found["floor"]] for row in table.best)
    assert not any(mark for row in differences.best for mark in row)


def test_boxes_of_a_tree_do_not_overlap_and_say_the_attribute() -> None:
    drawing = tree_drawing(three_classes(), [match(3)], ["<a>", "b", "c"])
    root, *others = drawing.boxes
    assert root.parent is None
    assert (root.heading, root.detail) == ("3 True", "F1 80 % · feature 0 > 0")
    assert {box.answer for box in others if box.parent} == {"no", "> 0", "yes"}
    leaves = {box.heading for box in others if box.is_leaf}
    assert leaves == {"<a>", "b", "c"}
    corners = [(box.x, box.y) for box in drawing.boxes]
    for index, (x, y) in enumerate(corners):
        assert 0 <= x <= drawing.width - BOX_WIDTH
        assert 0 <= y <= drawing.height - BOX_HEIGHT
        for other_x, other_y in corners[index + 1 :]:
            assert abs(x - other_x) >= BOX_WIDTH or abs(y - other_y) >= BOX_HEIGHT


def test_pictures_are_small_and_tiny_ones_are_exact() -> None:
    def decoded(uri: str) -> Image.Image:
        return Image.open(io.BytesIO(base64.b64decode(uri.partition(",")[2])))

    pixels = np.arange(64, dtype=np.uint8).reshape(8, 8)
    assert np.array_equal(np.asarray(decoded(data_uri(Image.fromarray(pixels)))), pixels)
    large = Image.fromarray(np.zeros((300, 400, 3), np.uint8))
    assert decoded(data_uri(large)).size == (128, 96)


def test_a_place_that_cannot_be_written_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(SweepError, match="The page cannot be written"):
        write_page([_empty()], tmp_path / "file" / "page.html")
