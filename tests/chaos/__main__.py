"""A sweep of small trials, disturbed at random moments, and compared with an undisturbed one.

    python -m tests.chaos --seed 3
    python -m tests.chaos --seed 3 --faults head node node --executor train

On four Ray nodes, an S3 server and MLflow on PostgreSQL, all of them processes on loopback. The
seed draws order and moments. It prints how long each fault held trials up, in Markdown.
"""

import argparse
import sys
import tempfile
from pathlib import Path

from tests.chaos.faults import FAULTS
from tests.chaos.ordeal import ordeal


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m tests.chaos",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--seed", type=int, default=0, help="of order and moments (default: 0)")
    parser.add_argument(
        "--faults", nargs="+", choices=FAULTS, default=list(FAULTS), help="default: each once"
    )
    parser.add_argument("--executor", choices=("actor", "train"), default="actor")
    parser.add_argument(
        "--submit", action="store_true", help="give the command to `ray job submit`"
    )
    options = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="chaos-"))
    print(f"Logs: {folder}", flush=True)
    for line in ordeal(
        folder,
        seed=options.seed,
        faults=options.faults,
        arguments=["--executor", options.executor],
        submitted=options.submit,
    ):
        print(line, flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
