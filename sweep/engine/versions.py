"""What the code ran on, as every run's tags tell it."""

import os
import platform
import subprocess
from pathlib import Path

import mlflow
import ray
import torch

from sweep.tracking import metrics

COMMIT_VARIABLE = "INTERSECTION_COMMIT"


def version_tags() -> dict[str, str]:
    """What the code ran on, for every run's tags."""
    tags = {
        "python": platform.python_version(),
        "torch": str(torch.__version__),
        "ray": str(ray.__version__),
        "mlflow": str(mlflow.__version__),
    }
    commit = git_commit()
    if commit:
        tags[metrics.TAG_GIT_COMMIT] = commit
    return tags


def git_commit() -> str | None:
    """Commit of the working copy that the code runs from, with "-dirty" where files differ.

    A submitted job's copy has no history: there INTERSECTION_COMMIT may say it.
    """
    if COMMIT_VARIABLE in os.environ:
        return os.environ[COMMIT_VARIABLE]
    try:
        described = subprocess.run(
            ["git", "describe", "--always", "--dirty", "--abbrev=40"],
            cwd=Path(__file__).parent,
            capture_output=True,
            text=True,
            check=True,
        )
    except (FileNotFoundError, subprocess.CalledProcessError):
        return None  # installed without its repository
    return described.stdout.strip()
