"""What a trial costs beyond its training, in both executors.

    python -m benchmarks.trial_overhead

Runs the same small sweep on digits in reused Tune actors and in Ray Train worker groups, each on a
Ray of its own with an MLflow store of its own, and prints wall time, training time and their ratio.
The start of Ray is not counted.
"""

import argparse
import tempfile
from pathlib import Path

from rich.console import Console
from rich.table import Table

from core.config import preset_config
from sweep.engine.options import RunOptions
from sweep.engine.placement import Placement
from sweep.engine.runner import SweepResult, run_sweep
from sweep.spec import SweepSpec
from sweep.tracking import metrics


def measure(executor: str, num_trials: int, epochs: int) -> SweepResult:
    """Run the sweep in one executor."""
    spec = SweepSpec(
        name="trial_overhead",
        title="trial overhead",
        base=preset_config("digits").replace({"num_epochs": epochs}),
        arms={"all": {}},
        seeds=range(num_trials),
    )
    with tempfile.TemporaryDirectory() as folder:
        options = RunOptions(
            output=Path(folder),
            tracking_uri=f"sqlite:///{folder}/mlflow.db",
            storage=f"{folder}/trials",
            placement=Placement(executor=executor),  # type: ignore[arg-type]
        )
        return run_sweep(spec, options, Console(quiet=True))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, default=8, help="of each executor (default: 8)")
    parser.add_argument("--epochs", type=int, default=15, help="of each trial (default: 15)")
    options = parser.parse_args()
    table = Table(title="Cost of a trial beyond its training")
    for column in ("executor", "at once", "wall s", "training s", "beyond, s a trial", "ratio"):
        table.add_column(column, justify="left" if column == "executor" else "right")
    for executor in ("actor", "train"):
        result = measure(executor, options.trials, options.epochs)
        driven = result.drive
        assert driven is not None
        training = sum(trial.final[metrics.TRAIN_SECONDS] for trial in result.results.trials)
        beyond = (driven.seconds * driven.parallel - training) / options.trials
        table.add_row(
            executor,
            str(driven.parallel),
            f"{driven.seconds:.1f}",
            f"{training:.1f}",
            f"{beyond:.2f}",
            f"{driven.seconds * driven.parallel / training:.2f}",
        )
    Console().print(table)
    print("ratio: wall seconds times trials at once, over training seconds")


if __name__ == "__main__":
    main()
