"""The script that starts the MLflow server, run for real."""

import socket
from collections.abc import Iterator
from pathlib import Path
from urllib.request import Request

import pytest
from mlflow.tracking import MlflowClient

from tests.cluster.server import Server, listening_addresses, run, status_of
from tests.ports import free_port


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("mlflow")
    server = Server(free_port(), folder / "home", str(folder / "artifacts"))
    try:
        done = server.start()
        assert done.returncode == 0, done.stderr
        yield server
    finally:
        server.stop()


@pytest.mark.slow
def test_server_keeps_runs_in_its_database_and_artifacts_in_their_place(
    server: Server, tmp_path: Path
) -> None:
    client = MlflowClient(tracking_uri=server.uri)
    run_id = client.create_run(client.create_experiment("check")).info.run_id
    client.log_metric(run_id, "accuracy", 0.5)
    note = tmp_path / "tree.txt"
    note.write_text("x <= 3")
    client.log_artifact(run_id, str(note))
    assert client.get_run(run_id).data.metrics == {"accuracy": 0.5}
    assert (server.home / "mlflow.db").stat().st_size > 0
    assert [path.name for path in Path(server.artifacts).rglob("*.txt")] == ["tree.txt"]


@pytest.mark.slow
def test_server_listens_on_loopback_alone(server: Server) -> None:
    assert listening_addresses(server.port) == {"0100007F"}  # 127.0.0.1


@pytest.mark.slow
@pytest.mark.parametrize(("host", "status"), [("localhost:5001", 200), ("evil.example", 403)])
def test_server_answers_the_tunnel_under_any_port_and_no_other_name(
    server: Server, host: str, status: int
) -> None:
    url = f"{server.uri}/api/2.0/mlflow/experiments/search?max_results=1"
    request = Request(url, headers={"Host": host})
    assert status_of(request) == status


@pytest.mark.slow
def test_starting_twice_leaves_the_first_server_alone(server: Server) -> None:
    before = server.pid()
    again = server.start()
    assert again.returncode == 0
    assert "already" in again.stdout
    assert server.pid() == before


@pytest.mark.slow
def test_a_server_that_lets_in_anybody_is_not_taken_for_a_guarded_one(server: Server) -> None:
    done = server.start("--auth", MLFLOW_AUTH_ADMIN_PASSWORD="long-enough-to-be-one")
    assert done.returncode == 1
    assert "lets in anybody" in done.stderr


def test_an_unset_bucket_is_refused(tmp_path: Path) -> None:
    done = run("s3://SET_ME_BUCKET/mlflow", MLFLOW_HOME=str(tmp_path / "home"))
    assert done.returncode == 2
    assert "'s3://SET_ME_BUCKET/mlflow'" in done.stderr
    assert not (tmp_path / "home").exists()


def test_a_missing_argument_is_refused() -> None:
    done = run()
    assert done.returncode != 0
    assert "usage: mlflow-server.sh [--auth] ARTIFACTS [HOST]" in done.stderr


@pytest.mark.slow
def test_a_server_that_dies_is_reported_with_its_log(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = run(str(tmp_path), MLFLOW_HOME=str(tmp_path), MLFLOW_PORT=str(port))
    assert done.returncode == 1
    assert f"does not answer at http://127.0.0.1:{port}" in done.stderr
    assert "address already in use" in done.stderr
