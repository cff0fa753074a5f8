"""Table, sentences and figures of `sweep.props`: Props. 1 and 2 as they ran."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from sweep.report._report import Column, Figure, Panel, Point, Report, Series, Table

DRAWN = 30
"""Iterates that the figures show."""

MEETS = 1e-6
"""Two values have met where they are closer than this share of the first Q."""

_ROUNDING = 1e-12

SAYS = {
    1: "Prop. 1: Q convex and beta-smooth in theta, a gradient step in theta of size mu < 1 / beta "
    "and then the best omega: in the limit Q, its minimum over theta and its minimum over omega "
    "are the same. In the proof Q never rises (Eqs. 8 and 9).",
    2: "Prop. 2: Q convex in each and beta-smooth in both, gradient steps in turn of size mu < "
    "1 / beta: they converge to a local minimum that is an equilibrium. In the proof Q never rises "
    "(Eq. 17).",
}
WHY = (
    "The condition is sufficient, not needed: the proofs use eta = mu (1 - beta mu / 2) > 0, which "
    "asks for mu < 2 / beta alone, and beta bounds every direction at once."
)


@dataclass(frozen=True, kw_only=True)
class Run:
    """The dynamics of one proposition on one problem at one step size, from its start."""

    proposition: int
    problem: str
    step: float
    """mu as a multiple of 1 / beta."""

    value: Sequence[float]
    """Q(theta_t, omega_t)."""

    best_theta: Sequence[float]
    """min over theta of Q(theta, omega_t)."""

    best_omega: Sequence[float]
    """min over omega of Q(theta_t, omega)."""

    @property
    def gap(self) -> float:
        """The most that either could still gain alone at the end."""
        return self.value[-1] - min(self.best_theta[-1], self.best_omega[-1])

    @property
    def rises(self) -> int:
        """Steps at which Q rose, but for rounding."""
        return sum(
            late > early + _ROUNDING * max(1.0, abs(early)) for early, late in pairwise(self.value)
        )

    @property
    def meets(self) -> bool:
        """Whether all three came together."""
        return self.gap < MEETS * self.value[0]


def build(runs: Sequence[Run]) -> Report:
    """What the propositions say, what was seen, and a figure for each on each problem."""
    kinds = dict.fromkeys((run.proposition, run.problem) for run in runs)
    groups = {
        kind: [run for run in runs if (run.proposition, run.problem) == kind] for kind in kinds
    }
    texts = []
    for proposition in dict.fromkeys(number for number, _ in kinds):
        texts.append(SAYS[proposition])
        texts += [_seen(group) for (number, _), group in groups.items() if number == proposition]
    return Report(
        title="Props. 1 and 2",
        tables=[_table(runs)],
        figures=[_figure(group) for group in groups.values()],
        texts=[*texts, WHY],
    )


def _table(runs: Sequence[Run]) -> Table:
    return Table(
        name="table",
        title="Q from its start to its end, by step size",
        columns=[
            Column(name="proposition", unit="count", short="Prop."),
            Column(name="problem", unit="text"),
            Column(name="mu x beta", unit="number"),
            Column(name="Q at the start", unit="number", short="start"),
            Column(name="Q at the end", unit="number", short="end"),
            Column(name="gap at the end", unit="number", short="gap"),
            Column(name="steps at which Q rose", unit="count", short="rises"),
            Column(name="steps", unit="count"),
        ],
        rows=[
            [
                run.proposition,
                run.problem,
                run.step,
                run.value[0],
                run.value[-1],
                run.gap,
                run.rises,
                len(run.value) - 1,
            ]
            for run in runs
        ],
        note="gap: Q less the smaller of both partial minima; 0 at an equilibrium",
    )


def _seen(group: Sequence[Run]) -> str:
    """As the proposition says, or not; below 1 / beta first."""
    below = [run for run in group if run.step < 1]
    above = [run for run in group if run.step >= 1]
    as_said = all(run.meets and not run.rises for run in below)
    met = [f"{run.step:g}" for run in above if run.meets and not run.rises]
    not_met = [f"{run.step:g}" for run in above if not run.meets or run.rises]
    words = [
        f"Seen on {group[0].problem}: below 1 / beta it is "
        f"{'as said' if as_said else 'NOT as said'}"
    ]
    if met:
        words.append(f"at {' and '.join(met)} / beta all the same")
    if not_met:
        words.append(f"at {' and '.join(not_met)} / beta not")
    return "; ".join(words) + "."


def _figure(group: Sequence[Run]) -> Figure:
    run = group[0]
    curves = {
        "Q(θ, ω)": "value",
        "min over θ of Q(θ, ω)": "best_theta",
        "min over ω of Q(θ, ω)": "best_omega",
    }
    return Figure(
        name=f"prop{run.proposition}_{run.problem.replace(' ', '_')}",
        title=f"Prop. {run.proposition} on {run.problem}",
        note="By Prop. 1's own steps Q is its minimum over ω at every iterate."
        if run.proposition == 1
        else "",
        beside=True,
        panels=[
            Panel(
                y_label="loss",
                x_label=f"iterate, step size {each.step:g} / β",
                unit="number",
                y_scale="log",
                series=[
                    Series(
                        label=label,
                        points=[
                            Point(x=step, y=y)
                            for step, y in enumerate(getattr(each, field)[:DRAWN], start=1)
                        ],
                    )
                    for label, field in curves.items()
                ],
            )
            for each in group
        ],
        alternative=" ".join(
            f"At {each.step:g} / beta Q goes from {each.value[0]:.3g} to {each.value[-1]:.3g} and "
            f"ends {each.gap:.2g} above the smaller of its partial minima."
            for each in group
        ),
    )
