"""The MLflow server behind a login, on PostgreSQL and S3, run for real."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from urllib.request import Request

import boto3
import pytest
from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient

from sweep.tracking.connect import connect
from tests.cluster.files import readme_commands, split_commands, text
from tests.cluster.server import Server, run, status_of
from tests.ports import free_port
from tests.postgres import postgres_server
from tests.s3 import CREDENTIALS, s3_server

BUCKET = "mlflow-bucket"
PASSWORD = "a%percent, a space and a $"


# By another user than the one whose experiment it is.
WRITE_AND_TRY_TO_DELETE = """
import sys
from mlflow.exceptions import MlflowException
from sweep.tracking.connect import connect
uri, run_id, experiment = sys.argv[1:]
client, found = connect(uri, "shared", artifact_root=None)
assert found == experiment
client.log_metric(run_id, "accuracy", 0.25)
for delete in (client.delete_run, client.delete_experiment):
    try:
        delete(run_id if delete == client.delete_run else experiment)
    except MlflowException as error:
        assert "Permission denied" in str(error), error
    else:
        sys.exit(f"{delete.__name__} was allowed")
"""


@dataclass(frozen=True)
class Guarded:
    server: Server
    database_password: str
    s3_endpoint: str

    def objects(self) -> list[str]:
        found = s3_client(self.s3_endpoint).list_objects_v2(Bucket=BUCKET)
        return [item["Key"] for item in found.get("Contents", [])]


def s3_client(endpoint: str) -> Any:
    keys = {name.lower(): value for name, value in CREDENTIALS.items()}
    return boto3.client("s3", endpoint_url=endpoint, region_name="us-east-1", **keys)


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guarded]:
    """A server that took its secrets from `server.env`."""
    folder = tmp_path_factory.mktemp("guarded")
    home = folder / "home"
    home.mkdir()
    with postgres_server(folder) as uri, s3_server() as s3_port:
        endpoint = f"http://127.0.0.1:{s3_port}"
        s3_client(endpoint).create_bucket(Bucket=BUCKET)
        parts = urlsplit(uri)
        assert parts.password is not None
        values = {
            "MLFLOW_BACKEND_STORE_URI": uri.replace(f":{parts.password}@", "@"),
            "PGPASSWORD": parts.password,
            "MLFLOW_AUTH_ADMIN_PASSWORD": PASSWORD,
            "MLFLOW_S3_ENDPOINT_URL": endpoint,
            **CREDENTIALS,
        }
        secrets = home / "server.env"
        secrets.write_text("# secrets\n\n" + "".join(f"{k}={v}\n" for k, v in values.items()))
        secrets.chmod(0o600)
        server = Server(free_port(), home, f"s3://{BUCKET}/mlflow")
        done = server.start("--auth")
        try:
            assert done.returncode == 0, done.stderr
            yield Guarded(server, parts.password, endpoint)
        finally:
            server.stop()


@pytest.fixture
def logged_in(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_USERNAME", "admin")
    monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", PASSWORD)


@pytest.mark.slow
@pytest.mark.usefixtures("logged_in")
def test_runs_and_artifacts_outlive_the_server(guarded: Guarded, tmp_path: Path) -> None:
    server = guarded.server
    client, experiment = connect(server.uri, "check", artifact_root=None)
    run_id = client.create_run(experiment).info.run_id
    client.log_metric(run_id, "accuracy", 0.5)
    note = tmp_path / "tree.txt"
    note.write_text("x <= 3")
    client.log_artifact(run_id, str(note))
    assert guarded.objects() == [f"mlflow/{experiment}/{run_id}/artifacts/tree.txt"]
    assert not list(server.home.glob("*.db")), "PostgreSQL holds runs and users"

    server.stop()
    # The password of the first start holds; another one given later changes nothing.
    done = server.start("--auth", MLFLOW_AUTH_ADMIN_PASSWORD="another, just as long")
    assert done.returncode == 0, done.stderr
    again = MlflowClient(tracking_uri=server.uri)
    assert again.get_run(run_id).data.metrics == {"accuracy": 0.5}
    copy = Path(again.download_artifacts(run_id, "tree.txt", str(tmp_path / "copy")))
    assert copy.read_text() == "x <= 3"


@pytest.mark.slow
@pytest.mark.usefixtures("logged_in")
def test_a_user_made_as_the_readme_says_logs_in_by_file_and_shares_runs(
    guarded: Guarded, tmp_path: Path
) -> None:
    uri, password = guarded.server.uri, "the password of the sweeps"
    client, experiment = connect(uri, "shared", artifact_root=None)
    run_id = client.create_run(experiment).info.run_id
    (line,) = (line for line in readme_commands() if "get_app_client" in line)
    ((_, option, code),) = split_commands(line)
    code = code.replace("http://127.0.0.1:5000", uri)
    # Without a terminal the password is read from the input.
    subprocess.run(
        [sys.executable, "-W", "ignore", option, code],
        input=password,
        text=True,
        check=True,
        start_new_session=True,
    )
    (settings,) = re.findall(r"```ini\n(.*?)```", text("README.md"), flags=re.DOTALL)
    credentials = tmp_path / ".mlflow" / "credentials"
    credentials.parent.mkdir()
    credentials.write_text(settings.replace("SET_ME_PASSWORD", password))
    environment = {k: v for k, v in os.environ.items() if not k.startswith("MLFLOW_TRACKING_")}
    subprocess.run(
        [sys.executable, "-c", WRITE_AND_TRY_TO_DELETE, uri, run_id, experiment],
        env={**environment, "HOME": str(tmp_path)},
        check=True,
    )
    assert client.get_run(run_id).data.metrics == {"accuracy": 0.25}
    assert client.get_run(run_id).info.lifecycle_stage == "active"


@pytest.mark.slow
@pytest.mark.parametrize("password", [None, "wrong", "password1234"])
def test_nobody_comes_in_without_the_password(
    guarded: Guarded, password: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    uri = guarded.server.uri
    monkeypatch.delenv("MLFLOW_TRACKING_USERNAME", raising=False)
    if password is not None:
        monkeypatch.setenv("MLFLOW_TRACKING_USERNAME", "admin")
        monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", password)
    with pytest.raises(MlflowException, match="not authenticated"):
        MlflowClient(tracking_uri=uri).search_experiments()
    for path in (
        "/",
        "/api/2.0/mlflow/experiments/search?max_results=1",
        "/api/2.0/mlflow-artifacts/artifacts",
        "/metrics",
    ):
        assert status_of(Request(uri + path)) == 401, path


@pytest.mark.slow
def test_no_secret_shows_in_a_command_line_the_log_or_an_open_file(guarded: Guarded) -> None:
    secrets = (PASSWORD, guarded.database_password, CREDENTIALS["AWS_SECRET_ACCESS_KEY"])
    processes = guarded.server.processes()
    assert len(processes) > 1
    home = guarded.server.home
    shown = [" ".join(process.cmdline()) for process in processes]
    shown += [path.read_text() for path in home.iterdir() if path.stat().st_mode & 0o077]
    assert any("basic-auth" in text for text in shown)
    assert not [secret for secret in secrets for text in shown if secret in text]
    assert (home / "auth.ini").stat().st_mode & 0o077 == 0


@pytest.mark.parametrize(
    ("password", "message"),
    [
        (None, "--auth needs MLFLOW_AUTH_ADMIN_PASSWORD"),
        ("", "--auth needs MLFLOW_AUTH_ADMIN_PASSWORD"),
        ("password1234", "must not be MLflow's old default"),
        ("SET_ME_ADMIN_PASSWORD", "MLFLOW_AUTH_ADMIN_PASSWORD must be set"),
    ],
)
def test_no_server_starts_without_a_password_of_ones_own(
    password: str | None, message: str, tmp_path: Path
) -> None:
    given = {} if password is None else {"MLFLOW_AUTH_ADMIN_PASSWORD": password}
    home = tmp_path / "home"
    done = run("--auth", str(tmp_path / "artifacts"), MLFLOW_HOME=str(home), **given)
    assert done.returncode == 2
    assert message in done.stderr
    assert not home.exists()


@pytest.mark.parametrize(
    ("content", "mode", "message"),
    [
        ("MLFLOW_AUTH_ADMIN_PASSWORD=long-enough-to-be-one\n", 0o640, "chmod 600"),
        ("touch planted\n", 0o600, "must hold lines of NAME=VALUE"),
        ("MLFLOW_S3_ENDPOINT_URL=SET_ME_S3_ENDPOINT", 0o600, "MLFLOW_S3_ENDPOINT_URL must be set"),
    ],
)
def test_secrets_that_others_may_read_or_that_are_none_are_refused(
    content: str, mode: int, message: str, tmp_path: Path
) -> None:
    secrets = tmp_path / "server.env"
    secrets.write_text(content)
    secrets.chmod(mode)
    done = run("--auth", str(tmp_path / "artifacts"), MLFLOW_HOME=str(tmp_path))
    assert done.returncode == 2
    assert message in done.stderr
    assert list(tmp_path.iterdir()) == [secrets]
