"""Every row of the paper's Table 1: methods x data sets x seeds, at equal budgets.

    python -m sweep.table1 --datasets digits --methods quantized quantized+l1 intersection
    python -m sweep.table1 --datasets cub awa2 --data cub=PATH --data awa2=PATH --gpus-per-trial 1

A row is a method, or a method at other weights; a name behind a colon is another reading of the
row. Budgets are equal: every row has the data set's split, images, batches and number of epochs, of
which its phases are parts. Optimizer and step sizes are each method's own. The report has accuracy,
fidelity, held-out fidelity and its gain over the same network before training, the paper's own
numbers where it printed some, controls, and paired differences to `intersection`; `--measures` adds
what else is measured of the features.

On packed data sets `--dry-run` says what the trials should cost on a GPU: all rows on the paper's
four, with three seeds, 1,334 hours of one that sustains 23 TFLOP/s, by an estimate from counted
operations (docs/table1.md).

All rows on digits with three seeds, 72 trials, took 2 min 56 s on two cores beside other work. With
field_guide, as by default, it was not timed yet.
"""

import argparse
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from core.config import TrainConfig
from core.data import DATASETS
from core.errors import ConfigError, did_you_mean
from sweep.cli import Experiment, Flags, main, places_from
from sweep.report.table1 import build as build_report
from sweep.spec import SweepSpec, datasets


def add_flags(parser: argparse.ArgumentParser) -> None:
    own = parser.add_argument_group("which rows")
    own.add_argument(
        "--methods",
        nargs="+",
        metavar="ROW",
        help="rows of core.methods.ROWS (default: all)",
    )
    own.add_argument(
        "--datasets",
        nargs="+",
        default=["field_guide", "digits"],
        metavar="NAME",
        help=f"of {', '.join(DATASETS)}, or what --data holds (default: field_guide digits)",
    )


def build(base: TrainConfig, seeds: Sequence[int], options: argparse.Namespace) -> SweepSpec:
    """One arm for each row on each data set, named by both."""
    # Imported here, with torch: a command's help needs no methods.
    from core.methods import ROWS

    rows = _chosen(options.methods, ROWS)
    presets = datasets(base, options.datasets, places_from(options))
    arms = {
        f"{row} {name}": {**preset, **ROWS[row]} for name, preset in presets.items() for row in rows
    }
    return SweepSpec(
        name="table1",
        title=f"Table 1 on {', '.join(options.datasets)}",
        base=base,
        arms=arms,
        seeds=seeds,
    )


def _chosen(names: Sequence[str] | None, known: Mapping[str, Any]) -> list[str]:
    """All rows in the table's order, or those that were named, in theirs.

    Raises
    ------
    ConfigError
        If there is no such row, or one is named twice.
    """
    if names is None:
        return list(known)
    for name in names:
        if name not in known:
            raise ConfigError(
                f"{name!r} is no row of Table 1.{did_you_mean(name, known)} There are: "
                f"{', '.join(known)}."
            )
        if names.count(name) > 1:
            raise ConfigError(f"Row {name!r} is given twice: name each once.")
    return list(names)


EXPERIMENT = Experiment(
    description=__doc__ or "", report=build_report, flags=Flags(add=add_flags, build=build)
)

if __name__ == "__main__":
    sys.exit(main(EXPERIMENT))
