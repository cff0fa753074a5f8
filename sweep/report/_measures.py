"""The measures beside Eq. 3, which tables hold and show on request."""

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType

from sweep.errors import SweepError
from sweep.report._report import Column, Report, Table, Unit
from sweep.tracking import metrics


@dataclass(frozen=True, kw_only=True)
class Measure:
    """How a table shows a metric of `metrics.ASSESSMENT`."""

    heading: str
    better: bool = True
    """Whether higher is better."""

    unit: Unit = "share"

    def column(self, name: str) -> Column:
        """Of the files; `show_measures` makes it seen."""
        return Column(
            name=self.heading,
            unit=self.unit,
            direction="higher" if self.better else None,
            narrow=False,
            metric=name,
        )


MEASURES: Mapping[str, Measure] = MappingProxyType(
    {
        "gain": Measure(heading="score gain"),
        "one_to_one": Measure(heading="one to one"),
        "distinct_features": Measure(heading="distinct features", better=False, unit="number"),
        "coalition_f1": Measure(heading="coalition F1"),
        "coalition_size": Measure(heading="coalition size", better=False, unit="number"),
        "chance_corrected_f1": Measure(heading="chance-corrected F1"),
        "matthews_correlation": Measure(heading="Matthews' correlation"),
        "class_independence": Measure(heading="class independence", better=False),
        "within_class_gain": Measure(heading="gain within classes"),
        "counterfactual_switch": Measure(heading="counterfactual switch"),
        "sldd_alignment": Measure(heading="SLDD alignment", unit="number"),
    }
)
"""By the name that trials log; `core.fidelity` says what each is."""


def check_measures(names: Sequence[str] | None) -> None:
    """Refuse a name that no measure has.

    Raises
    ------
    SweepError
        With the closest one.
    """
    for name in names or ():
        if name not in MEASURES:
            close = difflib.get_close_matches(name, MEASURES, n=1)
            hint = f" Did you mean {close[0]!r}?" if close else ""
            raise SweepError(
                f"--measures {name!r} is no measure.{hint} There are: {', '.join(MEASURES)}."
            )


def columns_of_measures() -> dict[str, tuple[str, Column]]:
    """Column and final metric of each measure, by heading."""
    return {
        measure.heading: (metrics.final(name), measure.column(name))
        for name, measure in MEASURES.items()
    }


def show_measures(report: Report, names: Sequence[str] | None) -> Report:
    """The same report with measures among the columns that people see.

    Parameters
    ----------
    report
        Whose tables hold them.
    names
        Of `MEASURES`; empty for all, None for none.

    Raises
    ------
    SweepError
        As `check_measures`.
    """
    check_measures(names)
    if names is None:
        return report
    wanted = list(names) or list(MEASURES)
    tables = [_shown(table, wanted) for table in report.tables]
    found = {column.metric for table in tables for column in table.columns}
    absent = [name for name in wanted if name not in found]
    texts = list(report.texts)
    if absent:
        texts.append(f"No trial has {', '.join(absent)}: its data or its method gives none.")
    return replace(report, tables=tables, texts=texts)


def _shown(table: Table, wanted: Sequence[str]) -> Table:
    columns = [replace(c, narrow=c.narrow or c.metric in wanted) for c in table.columns]
    return replace(table, columns=columns)
