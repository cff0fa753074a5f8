"""Files that runs in MLflow hold."""

import tempfile
from pathlib import Path

from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient

from sweep.errors import SweepError
from sweep.tracking.connect import first_line


def read_text(client: MlflowClient, run_id: str, path: str) -> str:
    """Text of a file that a run holds.

    Raises
    ------
    SweepError
        If it has no such file.
    """
    with tempfile.TemporaryDirectory() as folder:
        return download(client, run_id, path, Path(folder)).read_text()


def download(client: MlflowClient, run_id: str, path: str, folder: Path) -> Path:
    """Copy a file or folder that a run holds into a folder.

    Raises
    ------
    SweepError
        If it has no such file.
    """
    try:
        return Path(client.download_artifacts(run_id, path, str(folder)))
    except (MlflowException, OSError) as error:
        raise SweepError(
            f"Run {run_id} has no readable {path!r} ({first_line(error)}). A sweep of an earlier "
            "version gets its plan by running its command again; one whose folder was moved must "
            "be moved back, or read from a server."
        ) from error
