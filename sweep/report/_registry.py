"""Which report a sweep's name leads to."""

from collections.abc import Callable, Mapping
from types import MappingProxyType

from sweep.report import (
    ablation_epochs,
    ablation_lambdas,
    ablation_p,
    ablation_parts,
    ablation_size,
    pretraining,
    search,
    table,
    table1,
)
from sweep.report._report import Report
from sweep.tracking.results import SweepResults

Build = Callable[[SweepResults], Report]

REPORTS: Mapping[str, Build] = MappingProxyType(
    {
        "ablation_epochs": ablation_epochs.build,
        "ablation_lambdas": ablation_lambdas.build,
        "ablation_p": ablation_p.build,
        "ablation_parts": ablation_parts.build,
        "ablation_size": ablation_size.build,
        "pretraining": pretraining.build,
        "search": search.build,
        "table1": table1.build,
    }
)
"""By the name in the sweep's plan."""


def build_report(results: SweepResults) -> Report:
    """Make the report of a sweep; one of a name that is not registered gets the plain table."""
    return REPORTS.get(results.plan.name, table.build)(results)
