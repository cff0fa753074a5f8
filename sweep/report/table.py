"""The table of means that every sweep ends with: one row an arm, spreads over the seeds."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from sweep.report._measures import columns_of_measures
from sweep.report._published import Published
from sweep.report._report import Cell, Column, Report, Table
from sweep.report._spread import Spread
from sweep.report._words import NO_FIDELITY
from sweep.tracking import metrics
from sweep.tracking.results import SweepResults

COLUMNS: Mapping[str, str] = {
    "accuracy": metrics.final(metrics.TEST_ACCURACY),
    "tree": metrics.final(metrics.TEST_TREE_ACCURACY),
    "fidelity": metrics.final(metrics.FIDELITY_SCORE),
    "held-out": metrics.final(metrics.FIDELITY_HELDOUT),
    "floor": metrics.final(metrics.FIDELITY_FLOOR),
    "minival": metrics.final(metrics.MINIVAL_ACCURACY),
}
"""Everything that the files hold, by column. A column that no trial has a number for is left out:
methods differ in what they have."""

NARROW = ("accuracy", "tree", "fidelity", "held-out")
"""What fits a terminal of 80 columns."""

WITH_CONTROLS: Mapping[str, str] = {
    **COLUMNS,
    "held-out gain": metrics.final("heldout_gain"),
    "untrained": metrics.final("untrained_score"),
    "untrained held-out": metrics.final("untrained_heldout"),
    "zero levels": metrics.final(metrics.ZERO_SHARE),
}
"""The same with what the network scored before training, and what it gained since held out; the
gain of the score is a measure that every table has."""

PAPERS = ("paper's accuracy", "paper's fidelity")
_NEITHER_IS_BETTER = ("floor", "untrained", "untrained held-out", "zero levels")


def build(results: SweepResults) -> Report:
    """The plainest report, for a sweep without a figure of its own."""
    return Report(title=results.plan.title, tables=[ArmTable.of(results).table()])


@dataclass(frozen=True, kw_only=True)
class ArmTable:
    """Spreads by column and arm, with the trials that are missing counted."""

    title: str
    planned: Mapping[str, int]
    """Trials of each arm, in the order of the plan."""

    finished: Mapping[str, int]
    spreads: Mapping[str, Mapping[str, Spread]]
    """Column title to arm to spread; an arm without such a number is absent."""

    has_levels: bool
    """Whether some trial has levels, which attributes could be compared with."""
    measures: Mapping[str, Column]
    """The columns that are shown on request, by title."""

    narrow: Sequence[str] = NARROW
    published: Mapping[str, Published] = field(default_factory=dict)
    """The paper's own numbers by arm."""

    @classmethod
    def of(
        cls,
        results: SweepResults,
        *,
        columns: Mapping[str, str] = COLUMNS,
        narrow: Sequence[str] = NARROW,
        published: Mapping[str, Published] | None = None,
    ) -> "ArmTable":
        """Summarise all arms.

        Parameters
        ----------
        results
            The sweep's.
        columns
            Title to final metric.
        narrow
            Titles that are shown where there is little room.
        published
            The paper's own numbers, of the arms that it printed some for.
        """
        arms = [arm.name for arm in results.plan.arms]
        measures = columns_of_measures()
        keys = {**columns, **{title: key for title, (key, _) in measures.items()}}
        counts = [trial.arm for trial in results.plan.trials]
        return cls(
            title=results.plan.title,
            planned={arm: counts.count(arm) for arm in arms},
            finished={arm: len(results.of_arm(arm)) for arm in arms},
            spreads={
                title: found for title, key in keys.items() if (found := spreads(results, key))
            },
            has_levels=bool(spreads(results, metrics.final(metrics.ZERO_SHARE))),
            measures={title: column for title, (_, column) in measures.items()},
            narrow=narrow,
            published=published or {},
        )

    def table(self) -> Table:
        """The table as data."""
        columns = [
            Column(name="arm", unit="arm"),
            *(
                replace(self.measures[title], narrow=title in self.narrow)
                if title in self.measures
                else Column(
                    name=title,
                    direction=None if title in _NEITHER_IS_BETTER else "higher",
                    narrow=title in self.narrow,
                )
                for title in self.spreads
            ),
            *(Column(name=title) for title in PAPERS if self.published),
            Column(name="seeds", unit="count"),
            Column(name="failed", unit="count"),
        ]
        several = any(count > 1 for count in self.finished.values())
        return Table(
            name="table",
            title=f"{self.title}\npercent on test, "
            + ("mean ± deviation over seeds" if several else "of one seed"),
            columns=columns,
            rows=[self._row(arm) for arm in self.planned],
            note=self._floor(),
        )

    def _row(self, arm: str) -> list[Cell]:
        numbers = [found.get(arm) for found in self.spreads.values()]
        papers: list[Cell] = []
        if self.published:
            papers = list(self.published.get(arm, Published(None, None)))
        finished = self.finished[arm]
        return [arm, *numbers, *papers, finished, self.planned[arm] - finished]

    def _floor(self) -> str:
        means = [100 * spread.mean for spread in self.spreads.get("floor", {}).values()]
        if not means:
            return NO_FIDELITY if self.has_levels else ""
        low, high = f"{min(means):.1f}", f"{max(means):.1f}"
        shown = low if low == high else f"{low} to {high}"
        return f"fidelity's floor, what constant features score: {shown}"


def spreads(results: SweepResults, key: str) -> dict[str, Spread]:
    """Summarise one final metric of every arm that has it."""
    return {
        arm.name: Spread.of(list(values.values()))
        for arm in results.plan.arms
        if (values := results.final(arm.name, key))
    }
