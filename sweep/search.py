"""Search the loss weights, p, norm, feature dimension and bits with Optuna, over Ray Tune.

    python -m sweep.search --num-trials 50
    ray job submit --working-dir . -- python -m sweep.search --num-trials 200 --gpus-per-trial 1

The objective is minival accuracy; attributes play no part. The first trial is the paper's setting,
the rest are suggested by TPE. The study lives in an Optuna storage of its own (a file in --output,
or any database URL): the same command given again goes on where the study stands.

20 trials on digits, the default, take about a minute on two cores. Expect little: digits' minival
accuracy lies at 98 to 99 % for most points, which a handful of images tell apart.
"""

import argparse
import sys
from collections.abc import Sequence

from rich.console import Console

from search_spaces.joint import PAPER_DEFAULTS, SPACE
from sweep.cli import (
    EXIT_OK,
    add_run_flags,
    base_config,
    command_parser,
    conclude,
    guarded,
    make_console,
    positive,
    run_options_from,
    ui_command,
)
from sweep.engine.data import Fingerprints
from sweep.report.search import build as build_report
from sweep.spec import sweep_identity
from sweep.tracking.objectives import OBJECTIVES, SAMPLERS


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the search from the command line and return the exit code."""
    console = make_console()
    options = _parser().parse_args(arguments)
    return guarded(console, lambda: _run(options, console))


def _parser() -> argparse.ArgumentParser:
    parser = add_run_flags(command_parser(__doc__ or ""), with_seeds=False)
    search = parser.add_argument_group("how to search")
    search.add_argument(
        "--num-trials", type=positive, default=20, metavar="N", help="of the study (default: 20)"
    )
    search.add_argument("--sampler", choices=SAMPLERS, default="tpe")
    search.add_argument(
        "--objective",
        choices=tuple(OBJECTIVES),
        default="minival-accuracy",
        help="oracle-fidelity reads test attributes: for analysis alone, and labelled so",
    )
    search.add_argument(
        "--study-storage",
        metavar="URL",
        help="database of the study, such as sqlite:///FILE or postgresql://...  (default: sqlite "
        "file in --output)",
    )
    return parser


def _run(options: argparse.Namespace, console: Console) -> int:
    # Imported here, with torch, Ray and MLflow: help and a wrong flag are answered without them.
    from core.backbones import pin_weights
    from sweep.engine.runner import check_configs
    from sweep.engine.study import (
        Search,
        check_objective,
        open_storage,
        open_study,
        run_search,
    )
    from sweep.report.present import present

    base = pin_weights(base_config(options, console))
    base.replace(PAPER_DEFAULTS)  # a space key that is no field is refused here
    run_options = run_options_from(options)
    check_configs([base], run_options)
    if options.dry_run:
        for key, distribution in SPACE.items():
            console.print(f"{key}: {distribution}")
        console.print(f"{options.num_trials} trials; first: {dict(PAPER_DEFAULTS)}")
        return EXIT_OK
    fingerprints = Fingerprints(run_options.data)
    check_objective(options.objective, run_options.data.load(base))
    fixed = {key: value for key, value in base.identity().items() if key not in SPACE}
    fixed["objective"] = options.objective
    search = Search(
        base=base,
        space=SPACE,
        first=PAPER_DEFAULTS,
        sweep_id=sweep_identity("search", fixed, fingerprints.of(base)),
        objective=options.objective,
        num_trials=options.num_trials,
    )
    run_options.output.mkdir(parents=True, exist_ok=True)
    storage = open_storage(options.study_storage or f"sqlite:///{run_options.output / 'optuna.db'}")
    study = open_study(search, storage, sampler=options.sampler)
    result = run_search(search, study, storage, fingerprints, run_options, console)
    present(result.results, build_report, run_options.output / "search", console, to_mlflow=True)
    console.print(f"Compare the runs: {ui_command(run_options)}")
    return conclude(result.failures, options.num_trials, console)


if __name__ == "__main__":
    sys.exit(main())
