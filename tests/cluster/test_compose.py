"""The Compose file, as far as that shows without Docker."""

import configparser
import re
import subprocess
from typing import Any

import pytest
from packaging.requirements import Requirement

from tests.cluster.files import ROOT, document, project_requirements, text

SECRETS = ("PGPASSWORD", "MLFLOW_AUTH_ADMIN_PASSWORD", "MLFLOW_FLASK_SERVER_SECRET_KEY")


@pytest.fixture
def services() -> dict[str, Any]:
    found: dict[str, Any] = document("compose.yaml")["services"]
    return found


def test_loopback_alone_is_listened_on(services: dict[str, Any]) -> None:
    ports = [port for service in services.values() for port in service.get("ports", [])]
    assert ports == ["127.0.0.1:5000:5000"]
    assert "network_mode" not in text("compose.yaml")


def test_the_server_asks_for_a_login_whose_password_must_be_given(
    services: dict[str, Any],
) -> None:
    server = services["mlflow"]
    assert "--app-name=basic-auth" in server["command"]
    environment = server["environment"] | services["postgres"]["environment"]
    required = re.findall(r"\$\{(\w+):\?", " ".join(map(str, environment.values())))
    assert set(SECRETS) | {"MLFLOW_ARTIFACTS_DESTINATION"} == set(required)


def test_no_secret_is_in_the_file_or_may_be_committed(services: dict[str, Any]) -> None:
    (file,) = services["mlflow"]["env_file"]
    folder = ROOT / "cluster"
    ignored = subprocess.run(["git", "check-ignore", "--quiet", folder / file["path"]], cwd=ROOT)
    assert ignored.returncode == 0
    example = folder / f"{file['path']}.example"
    names = re.findall(r"^(\w+)=", example.read_text(), flags=re.MULTILINE)
    assert set(SECRETS) <= set(names)
    assert not re.search(r"://\w+:\w+@", text("compose.yaml"))


def test_runs_and_users_are_in_the_database_of_the_other_service(
    services: dict[str, Any],
) -> None:
    config = document("compose.yaml")["configs"]["auth"]["content"]
    (mount,) = services["mlflow"]["configs"]
    environment = services["mlflow"]["environment"]
    assert environment["MLFLOW_AUTH_CONFIG_PATH"] == mount["target"]
    parser = configparser.ConfigParser()
    parser.read_string(config)
    database = services["postgres"]["environment"]
    uri = f"postgresql://{database['POSTGRES_USER']}@postgres/{database['POSTGRES_DB']}"
    assert parser["mlflow"]["database_uri"] == environment["MLFLOW_BACKEND_STORE_URI"] == uri
    assert "admin_password" not in parser["mlflow"]
    assert services["mlflow"]["depends_on"] == {"postgres": {"condition": "service_healthy"}}


def test_images_are_pinned(services: dict[str, Any]) -> None:
    assert re.fullmatch(r"postgres:\d+\.\d+", services["postgres"]["image"])
    build = services["mlflow"]["build"]
    folder = (ROOT / "cluster" / build["context"]).resolve()
    dockerfile = (folder / build["dockerfile"]).read_text()
    assert "pip install --no-cache-dir --constraint constraints.txt" in dockerfile
    # The rest of the last line of that command.
    words = dockerfile.split("constraints.txt \\\n")[1].splitlines()[0].split()
    assert [Requirement(word.strip("'")) for word in words] == project_requirements("server")


def test_image_and_nodes_have_one_python() -> None:
    (version,) = re.findall(r"^python_version=(\S+)$", text("setup-node.sh"), flags=re.MULTILINE)
    assert f"FROM python:{version}-slim" in text("mlflow.Dockerfile")
