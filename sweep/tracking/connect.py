"""Opening an MLflow store, to write to it or to read from it alone."""

import fcntl
import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.error import URLError
from urllib.parse import urlsplit
from urllib.request import urlopen

from mlflow.entities import Run, ViewType
from mlflow.environment_variables import (
    MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR,
    MLFLOW_HTTP_REQUEST_MAX_RETRIES,
    MLFLOW_HTTP_REQUEST_TIMEOUT,
    MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT,
)
from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient
from sqlalchemy.exc import SQLAlchemyError

from sweep.errors import SweepError

EXPERIMENT = "intersection-regularization"
"""MLflow's experiment that holds every sweep."""

_PAGE = 1000

_OF_DATABASE = re.compile(r"\((?:sqlite3|psycopg2|psycopg|pymysql)\.\S+\) (.+)")

STORE_ERRORS = (MlflowException, OSError, SQLAlchemyError)
"""What MLflow's client raises where its store does not answer as it should."""


def connect(uri: str, experiment: str, *, artifact_root: Path | None) -> tuple[MlflowClient, str]:
    """Return a client and the id of an experiment, made if it does not exist.

    Database and experiment are made here, once, before anything runs in parallel, because making
    them from several processes at once is a race in MLflow; commands that start at once on one file
    wait for one another.

    Raises
    ------
    SweepError
        If the server does not answer or the store cannot be opened.
    """
    location = artifact_root.absolute().as_uri() if artifact_root else None
    try:
        with _alone(uri):
            client, found = _open(uri, experiment)
            if found is not None:
                return client, found
            return client, client.create_experiment(experiment, artifact_location=location)
    except STORE_ERRORS as error:
        raise cannot_be_used(uri, error) from error


def connect_to_read(uri: str, experiment: str = EXPERIMENT) -> tuple[MlflowClient, str]:
    """Return a client and the id of an experiment that exists; nothing is made.

    Raises
    ------
    SweepError
        If there is no such store, or it holds no such experiment.
    """
    if uri.startswith("sqlite:///") and not Path(uri.removeprefix("sqlite:///")).is_file():
        raise SweepError(
            f"There is no file {uri.removeprefix('sqlite:///')!r}: give the --output folder of a "
            "sweep that has run, or its --tracking-uri."
        )
    client, found = _open(uri, experiment)
    if found is None:
        raise SweepError(
            f"The MLflow store {uri!r} holds no experiment {experiment!r}: no sweep has run there."
        )
    return client, found


def search_runs(client: MlflowClient, experiment_id: str, filter_string: str) -> list[Run]:
    """Every run that a filter finds, page after page."""
    runs: list[Run] = []
    token: str | None = None
    while True:
        page = client.search_runs(
            [experiment_id], filter_string, ViewType.ACTIVE_ONLY, _PAGE, page_token=token
        )
        runs += page
        token = page.token
        if not token:
            return runs


def first_line(error: BaseException) -> str:
    r"""An error in one line.

    Examples
    --------
    >>> first_line(OSError("no space\nleft"))
    'no space'
    >>> first_line(MlflowException("(raised as a result of ...)\n(sqlite3.OperationalError) full"))
    'full'
    """
    lines = str(error).strip().splitlines()
    if not lines:
        return type(error).__name__
    # SQLAlchemy first says where it stood; what the database said follows.
    of_database = (found[1] for line in lines if (found := _OF_DATABASE.match(line)))
    return next(of_database, lines[0])


def _open(uri: str, experiment: str) -> tuple[MlflowClient, str | None]:
    if uri.startswith(("http://", "https://")):
        _check_server(uri)
    logging.getLogger("mlflow").setLevel(logging.WARNING)
    # A full disk would give a traceback at every try; whoever calls says it in a line.
    logging.getLogger("mlflow.store.db.utils").setLevel(logging.CRITICAL)
    # The writer thread repeats calls itself, and knows when to stop.
    MLFLOW_HTTP_REQUEST_MAX_RETRIES.set(0)  # type: ignore[no-untyped-call]
    MLFLOW_HTTP_REQUEST_TIMEOUT.set(20)  # type: ignore[no-untyped-call]
    MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR.set(False)  # type: ignore[no-untyped-call]
    # A server's client would print two lines at each end of a trial.
    MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT.set(True)  # type: ignore[no-untyped-call]
    try:
        client = MlflowClient(tracking_uri=uri)
        found = client.get_experiment_by_name(experiment)
    except STORE_ERRORS as error:
        raise cannot_be_used(uri, error) from error
    return client, None if found is None else str(found.experiment_id)


def cannot_be_used(uri: str, error: Exception) -> SweepError:
    """What to say of a store that does not answer as it should."""
    # MLflow passes on SQLAlchemy's error now as it is and now as the text of its own. A database
    # that is locked or cannot be opened is an OperationalError.
    if uri.startswith("sqlite:///") and "sqlite3.DatabaseError" in str(error):
        return SweepError(
            f"The database {uri.removeprefix('sqlite:///')!r} is damaged ({first_line(error)}): "
            "put a copy of it there, or move it away. Without it all trials are run again."
        )
    return SweepError(
        f"--tracking-uri {uri!r} cannot be used ({first_line(error)}): give the http(s) address "
        "of an MLflow server, or sqlite:///FILE."
    )


@contextmanager
def _alone(uri: str) -> Iterator[None]:
    """Hold the lock of a database file, which ends with the process; a server has its own."""
    if not uri.startswith("sqlite:///"):
        yield
        return
    lock = Path(f"{uri.removeprefix('sqlite:///')}.lock")
    with lock.open("ab") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _check_server(uri: str) -> None:
    if not urlsplit(uri).hostname:
        raise SweepError(f"--tracking-uri {uri!r} has no host name: give http://HOST:PORT.")
    try:
        with urlopen(f"{uri.rstrip('/')}/health", timeout=5):
            return
    except (URLError, OSError) as error:
        raise SweepError(
            f"The MLflow server at {uri} does not answer ({first_line(error)}): start it, or mend "
            "--tracking-uri."
        ) from error
