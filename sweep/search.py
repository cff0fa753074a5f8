"""Search loss weights, p, norm, feature dimension, bits or anything else with Optuna, on Ray Tune.

    python -m sweep.search --num-trials 50
    python -m sweep.search --space penalty --sampler grid --range mask_probability=0.2,0.5,1
    python -m sweep.search --objective tree-accuracy zero-share --sampler nsga2 --hours 1
    ray job submit --working-dir . -- python -m sweep.search --num-trials 200 --gpus-per-trial 1

What varies is a space of `search_spaces/`, or a file of one's own; what is sought is one objective
or several. Attributes play no part, unless oracle-fidelity is asked for by name. The first trial is
the space's own first point, the paper's setting where it has one; the rest are suggested by the
sampler. The study lives in an Optuna storage of its own (a journal in --output, or any database
URL): the same command given again goes on where the study stands.

20 trials on digits, the default, take about a minute on two cores. Expect little: digits' minival
accuracy lies at 98 to 99 % for most points, which a handful of images tell apart. A search for
accuracy alone drives the sparsity weight to nothing, and with it what the method is about: give
tree-accuracy or zero-share beside it.
"""

import argparse
import sys
from collections.abc import Sequence

from rich.console import Console

from core.command import assignment
from core.config import FIELD_NAMES, OPTION_NAMES
from core.errors import did_you_mean
from search_spaces import Space, SpaceError, describe, load_space, space_names
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
from sweep.engine.pruners import PRUNERS, check_pruner, make_pruner
from sweep.engine.samplers import ABILITIES, check_sampler
from sweep.errors import SweepError
from sweep.report.search import build as build_report
from sweep.spec import sweep_identity
from sweep.tracking.objectives import OBJECTIVES, parse_constraint, space_to_json
from sweep.tracking.trials import SEARCH_ARM, TrialSpec

DEFAULT_TRIALS = 20


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the search from the command line and return the exit code."""
    console = make_console()
    options = _parser().parse_args(arguments)
    return guarded(console, lambda: _run(options, console))


def _parser() -> argparse.ArgumentParser:
    parser = add_run_flags(command_parser(__doc__ or ""), with_seeds=False)
    where = parser.add_argument_group("where to search")
    where.add_argument(
        "--space",
        default="joint",
        metavar="NAME|FILE",
        help=f"{', '.join(space_names())}, or a Python file with a SPACE (default: joint)",
    )
    where.add_argument(
        "--fix",
        action="append",
        type=assignment,
        default=[],
        metavar="KEY=VALUE",
        help="do not search a key of the space",
    )
    where.add_argument(
        "--range",
        action="append",
        default=[],
        metavar="KEY=LOW:HIGH",
        help="search a key of the space in another range, or KEY=A,B,C among these",
    )
    search = parser.add_argument_group("how to search")
    search.add_argument(
        "--objective",
        nargs="+",
        choices=tuple(OBJECTIVES),
        default=["minival-accuracy"],
        metavar="NAME",
        help=f"one or several of {', '.join(map(str, OBJECTIVES.values()))}; oracle-fidelity reads "
        "test attributes: for analysis alone, and labelled so (default: minival-accuracy)",
    )
    search.add_argument(
        "--constraint",
        action="append",
        default=[],
        metavar="'NAME >= NUMBER'",
        help="what a trial must keep, in percent where it is a share",
    )
    search.add_argument("--sampler", choices=tuple(ABILITIES), default="tpe")
    search.add_argument(
        "--pruner",
        choices=PRUNERS,
        default="none",
        help="stop trials that fall behind, from the middle of their epochs on; wilcoxon compares "
        "seeds (default: none)",
    )
    search.add_argument(
        "--seeds-per-trial",
        type=positive,
        default=1,
        metavar="K",
        help="runs of each point; their mean is its value (default: 1)",
    )
    search.add_argument(
        "--study-storage",
        metavar="URL",
        help="a file for Optuna's journal, or a database, such as postgresql://...  (default: a "
        "journal in --output)",
    )
    budget = parser.add_argument_group("how long: no trial begins after whichever comes first")
    budget.add_argument(
        "--num-trials",
        type=positive,
        metavar="N",
        help=f"of the study (default: {DEFAULT_TRIALS} where no other bound is given, or every "
        "point of a grid)",
    )
    for flag, of in (
        ("--hours", "wall time of this command, over all its runs"),
        ("--cpu-hours", "training times CPUs"),
        ("--gpu-hours", "training times GPUs"),
    ):
        budget.add_argument(flag, type=_above_zero, metavar="H", help=of)
    budget.add_argument(
        "--target", type=float, metavar="VALUE", help="value of the objective that is good enough"
    )
    budget.add_argument(
        "--patience", type=positive, metavar="N", help="trials in a row without a better one"
    )
    return parser


def _run(options: argparse.Namespace, console: Console) -> int:
    space = _space(options)
    constraints = [parse_constraint(text) for text in options.constraint]
    objectives = [OBJECTIVES[name] for name in dict.fromkeys(options.objective)]
    # Imported here, with torch, Ray and MLflow: help and a wrong flag are answered without them.
    from core.backbones import pin_weights
    from sweep.cli.dry_run import print_estimate
    from sweep.engine.budget import Budget
    from sweep.engine.runner import check_configs
    from sweep.engine.search import Course, run_search
    from sweep.engine.study import (
        check_objectives,
        default_storage,
        open_storage,
        open_study,
    )
    from sweep.engine.study_searcher import Search
    from sweep.report import check_measures
    from sweep.report.present import present

    check_measures(options.measures)
    base = pin_weights(base_config(options, console))
    run_options = run_options_from(options)
    check_configs([base, base.replace(space.first)], run_options)
    check_sampler(
        options.sampler,
        space,
        num_objectives=len(objectives),
        num_constraints=len(constraints),
    )
    check_pruner(
        options.pruner,
        num_objectives=len(objectives),
        num_constraints=len(constraints),
        seeds_per_trial=options.seeds_per_trial,
        num_epochs=base.num_epochs,
    )
    num_points = len(list(space.points())) if ABILITIES[options.sampler].lists_all else None
    budget = Budget(
        num_trials=_num_trials(options, num_points),
        hours=options.hours,
        cpu_hours=options.cpu_hours,
        gpu_hours=options.gpu_hours,
        target=options.target,
        patience=options.patience,
    )
    budget.check(num_objectives=len(objectives), gpus_per_trial=run_options.placement.gpus)
    for objective in objectives:
        console.print(f"Objective: {objective}")
    if options.dry_run:
        for key, kind in space.varies.items():
            console.print(f"{key}: {describe(kind)}")
        console.print(f"First: {dict(space.first) or 'as the sampler suggests'}")
        console.print(f"Trials: {budget.num_trials or 'until another bound is reached'}")
        # Of the first point, whose network may be larger than others'.
        first = base.replace(space.first)
        trials = [
            TrialSpec(arms=(SEARCH_ARM,), config=first.replace({"seed": number}))
            for number in range((budget.num_trials or 0) * options.seeds_per_trial)
        ]
        print_estimate(trials, run_options, console, teraflops=options.teraflops)
        return EXIT_OK
    fingerprints = Fingerprints(run_options.data)
    check_objectives(objectives, run_options.data.load(base))
    fixed = {key: value for key, value in base.identity().items() if key not in space.varies}
    fixed["objective"] = [objective.name for objective in objectives]
    fixed["constraints"] = [str(constraint) for constraint in constraints]
    fixed["seeds_per_trial"] = options.seeds_per_trial
    fixed["space"] = space_to_json(space.varies)
    search = Search(
        base=base,
        space=space,
        sweep_id=sweep_identity("search", fixed, fingerprints.of(base)),
        objectives=objectives,
        constraints=constraints,
        seeds_per_trial=options.seeds_per_trial,
        one_seed_at_a_time=options.pruner == "wilcoxon",
    )
    run_options.output.mkdir(parents=True, exist_ok=True)
    storage = open_storage(options.study_storage or default_storage(run_options.output))
    study = open_study(
        search,
        storage,
        sampler=options.sampler,
        pruner=make_pruner(options.pruner, num_epochs=base.num_epochs),
    )
    compares_epochs = options.pruner not in ("none", "wilcoxon")
    course = Course(
        sampler=options.sampler,
        budget=budget,
        every_epoch=compares_epochs,
    )
    result = run_search(search, study, course, fingerprints, run_options, console)
    present(
        result.results,
        build_report,
        run_options.output / "search",
        console,
        to_mlflow=True,
        measures=options.measures,
    )
    console.print(f"Compare the runs: {ui_command(run_options)}")
    return conclude(result.failures, len(result.results.trials) + len(result.failures), console)


def _space(options: argparse.Namespace) -> Space:
    """The space as its file and the flags have it.

    Raises
    ------
    SweepError
        If there is none, or a flag makes no sense of it, or a key is no field of TrainConfig.
    """
    try:
        space = load_space(options.space)
        for key, value in options.fix:
            space = space.fixed(key)
            options.set.append((key, value))
        for text in options.range:
            key, equals, words = text.partition("=")
            if not equals:
                raise SpaceError(f"--range {text!r} must be KEY=LOW:HIGH, or KEY=A,B,C.")
            space = space.narrowed(key, words)
    except SpaceError as error:
        raise SweepError(str(error)) from error
    known = (*FIELD_NAMES, *OPTION_NAMES)
    for key in space.varies:
        if key not in known or key == "seed":
            raise SweepError(
                f"--space {options.space}: {key!r} is no field of TrainConfig that may be searched."
                f"{did_you_mean(key, known)}"
            )
    for key, _ in options.set:
        if key in space.varies:
            raise SweepError(
                f"--set {key}: the space searches it. Use --fix {key}=VALUE, which takes it out."
            )
    return space


def _num_trials(options: argparse.Namespace, num_points: int | None) -> int | None:
    given: int | None = options.num_trials
    if num_points is not None:
        return min(num_points, given or num_points)
    others = (options.hours, options.cpu_hours, options.gpu_hours, options.target, options.patience)
    if given is None and all(bound is None for bound in others):
        return DEFAULT_TRIALS
    return given


def _above_zero(text: str) -> float:
    try:
        value = float(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"must be a number, but got {text!r}") from error
    if not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"must be above 0, but got {text}")
    return value


if __name__ == "__main__":
    sys.exit(main())
