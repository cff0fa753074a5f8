"""The flags that say where a sweep's numbers and its trials are, for commands that look at them."""

import argparse
from pathlib import Path


def add_store_flags(parser: argparse.ArgumentParser) -> argparse.ArgumentParser:
    """Add the flags that say where a sweep's numbers and trials are."""
    parser.add_argument(
        "--output",
        type=Path,
        metavar="DIR",
        default=Path("runs"),
        help="where the sweep's files are (default: runs)",
    )
    parser.add_argument(
        "--tracking-uri",
        metavar="URI",
        help="MLflow server, or sqlite:///FILE (default: sqlite file in --output)",
    )
    parser.add_argument(
        "--storage",
        metavar="URI",
        help="where its trials' checkpoints are (default: folder in --output)",
    )
    return parser


def places(options: argparse.Namespace) -> tuple[str, str]:
    """MLflow's URI and the trials' storage, as a sweep's own defaults are."""
    output: Path = options.output.absolute()
    uri = options.tracking_uri or f"sqlite:///{output / 'mlflow.db'}"
    return uri, options.storage or str(output / "trials")
