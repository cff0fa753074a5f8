"""Which report a sweep's name leads to."""

from collections.abc import Callable, Mapping
from types import MappingProxyType

from sweep.report import ablation_p, ablation_parts, pretraining, search, table, table1, weight
from sweep.report._report import Report
from sweep.tracking.results import SweepResults

Build = Callable[[SweepResults], Report]

REPORTS: Mapping[str, Build] = MappingProxyType(
    {
        "ablation_p": ablation_p.build,
        "ablation_parts": ablation_parts.build,
        "pretraining": pretraining.build,
        "search": search.build,
        "sparsity_weight": weight.build,
        "table1": table1.build,
        "tree_weight": weight.build,
    }
)
"""By the name in the sweep's plan."""


def build_report(results: SweepResults) -> Report:
    """Make the report of a sweep; one of a name that is not registered gets the plain table."""
    return REPORTS.get(results.plan.name, table.build)(results)
