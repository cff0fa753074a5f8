"""What a sweep would run, what it lacks, and what it should cost."""

from collections.abc import Sequence

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from sweep.engine.cost import Cost, estimate_costs
from sweep.engine.options import RunOptions
from sweep.engine.runner import check_configs
from sweep.spec import SweepSpec
from sweep.tracking.trials import TrialSpec


def print_dry_run(
    spec: SweepSpec, options: RunOptions, console: Console, *, teraflops: float | None = None
) -> None:
    """Check a sweep and print its trials; of packed datasets also an estimate of GPU hours.

    A packed dataset without a place is no reason to refuse: what it takes is said, and its
    published counts stand for those of the data.

    Raises
    ------
    CoreError, SweepError
        As the run itself, in one line.
    """
    trials = spec.trials()
    configs = [trial.config for trial in trials]
    lacking = options.data.lacking(configs)
    check_configs(configs, options, lacking=lacking)
    for trial in trials:
        console.print(f"{trial.hash}  {trial.arm}  seed={trial.config.seed}")
    console.print(f"{len(trials)} trials")
    for name in lacking:
        console.print(
            f"{name}: no --data is given, so its published counts are taken. To run, pack its "
            f"archive with `python -m core.data.pack {name} --root DIR --output PATH`, and give "
            f"--data {name}=PATH.",
            soft_wrap=True,
        )
    print_estimate(trials, options, console, teraflops=teraflops)


def print_estimate(
    trials: Sequence[TrialSpec],
    options: RunOptions,
    console: Console,
    *,
    teraflops: float | None = None,
) -> None:
    """Print what the trials on packed datasets should cost; nothing where there are none.

    Raises
    ------
    ConfigError, DataError
        As `estimate_costs`.
    """
    costs = estimate_costs(trials, options.data, teraflops=teraflops)
    if costs:
        assumed = "as an A100 is assumed to (--teraflops N for another)"
        _print_costs(costs, console, source="as given" if teraflops else assumed)


def _print_costs(costs: Sequence[Cost], console: Console, *, source: str) -> None:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("arm")
    for title in ("train", "evaluate", "epochs", "a trial", "trials", "hours"):
        table.add_column(title, justify="right")
    for cost in costs:
        table.add_row(
            escape(cost.arm),
            f"{cost.flops.train_image / 1e9:.0f}",
            f"{cost.flops.recognize / 1e9:.0f}",
            str(cost.flops.num_epochs),
            f"{cost.trial_hours:.1f}",
            str(cost.num_trials),
            f"{cost.hours:.1f}",
        )
    console.print(table)
    of_dataset: dict[str, float] = {}
    for cost in costs:
        of_dataset[cost.dataset] = of_dataset.get(cost.dataset, 0.0) + cost.hours
    shares = ", ".join(f"{name} {hours:,.0f}" for name, hours in of_dataset.items())
    rates = " and ".join(sorted({f"{cost.teraflops:g}" for cost in costs}))
    for sentence in (
        "train, evaluate: GFLOP an image, counted; an epoch trains on train and evaluates minival "
        "and test. a trial, hours: of one GPU.",
        f"An estimate, not a measurement: {sum(of_dataset.values()):,.0f} GPU hours in all "
        f"({shares}) if a GPU sustains {rates} TFLOP/s, {source}, and every epoch is trained: "
        "early stopping ends runs sooner.",
        "Counted are convolutions and matrix products; not the trees that grow on the processor, "
        "nor decoding.",
    ):
        console.print(escape(sentence), soft_wrap=True)
