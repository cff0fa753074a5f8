"""The command line that every sweep shares."""

from sweep.cli._experiment import (
    EXIT_FAILED_TRIALS,
    EXIT_INTERRUPTED,
    EXIT_OK,
    EXIT_REFUSED,
    EXIT_TERMINATED,
    Experiment,
    Flags,
    Repetitions,
    base_config,
    conclude,
    guarded,
    main,
    make_console,
    ui_command,
)
from sweep.cli._flags import (
    add_run_flags,
    command_parser,
    places_from,
    positive,
    run_options_from,
)

__all__ = [
    "EXIT_FAILED_TRIALS",
    "EXIT_INTERRUPTED",
    "EXIT_OK",
    "EXIT_REFUSED",
    "EXIT_TERMINATED",
    "Experiment",
    "Flags",
    "Repetitions",
    "add_run_flags",
    "base_config",
    "command_parser",
    "conclude",
    "guarded",
    "main",
    "make_console",
    "places_from",
    "positive",
    "run_options_from",
    "ui_command",
]
