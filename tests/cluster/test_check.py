"""`python -m cluster.check` names what is unset or missing."""

import re
from pathlib import Path

import pytest

from cluster.check import main
from tests.cluster.files import ROOT, filled_in

MUST_BE_SET = {
    "aws-gpu.yaml": {"REGION", "IMAGE", "HEAD_PROFILE", "WORKER_PROFILE", "BUCKET"},
    "gcp-gpu.yaml": {"PROJECT", "REGION", "ZONE", "IMAGE", "WORKER_ACCOUNT", "BUCKET"},
    "kuberay-job.yaml": {"IMAGE", "SERVICE_ACCOUNT", "BUCKET_URI"},
    "mlflow-server.yaml": {"IMAGE", "SERVICE_ACCOUNT", "BUCKET_URI"},
    "mlflow-server-postgres.yaml": {"IMAGE", "SERVICE_ACCOUNT", "BUCKET_URI", "DATABASE_URI"},
    "server.env.example": {
        *("DATABASE_HOST", "DATABASE_PASSWORD", "ADMIN_PASSWORD", "RANDOM_KEY", "BUCKET"),
        *("S3_ENDPOINT", "S3_REGION", "S3_KEY", "S3_SECRET"),
    },
}


@pytest.fixture(autouse=True)
def _root_with_token(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    token = tmp_path / "home" / ".ray" / "auth_token"
    token.parent.mkdir(parents=True)
    token.write_text("0" * 64)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.chdir(ROOT)


@pytest.mark.parametrize("name", MUST_BE_SET)
def test_a_file_as_shipped_is_refused_for_every_value_to_set(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([f"cluster/{name}"]) == 1
    said = capsys.readouterr().err
    assert set(re.findall(r"SET_ME_(\w+)", said)) == MUST_BE_SET[name]


@pytest.mark.parametrize("name", MUST_BE_SET)
def test_a_file_filled_in_passes(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / name
    file.write_text(filled_in(name))
    assert main([str(file)]) == 0
    assert capsys.readouterr() == (f"{file}: every value is set.\n", "")


def test_the_message_says_where_the_value_belongs(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "launcher.yaml"
    file.write_text("provider: {region: SET_ME_REGION}\ncommands: [a, b SET_ME_BUCKET]\n")
    assert main([str(file)]) == 1
    assert capsys.readouterr().err.splitlines() == [
        f"{file}: `provider.region` must be set, but is 'SET_ME_REGION'.",
        f"{file}: `commands[1]` must be set, but is 'b SET_ME_BUCKET'.",
    ]


def test_secrets_that_others_may_read_are_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "server.env"
    file.write_text("# a comment\nPGPASSWORD=SET_ME_DATABASE_PASSWORD\nURI=postgresql://u@h/d\n")
    file.chmod(0o644)
    assert main([str(file)]) == 1
    assert capsys.readouterr().err.splitlines() == [
        f"{file}: Its owner alone must be able to read it: chmod 600 {file}",
        f"{file}: `PGPASSWORD` must be set, but is 'SET_ME_DATABASE_PASSWORD'.",
    ]
    file.write_text(file.read_text().replace("SET_ME_DATABASE_PASSWORD", "a=b"))
    file.chmod(0o600)
    assert main([str(file)]) == 0


def test_a_missing_token_is_named_with_its_remedy(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "home" / ".ray" / "auth_token").unlink()
    file = tmp_path / "launcher.yaml"
    file.write_text(filled_in("aws-gpu.yaml"))
    assert main([str(file)]) == 1
    assert "ray get-auth-token --generate" in capsys.readouterr().err


def test_files_are_looked_for_from_the_root(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "launcher.yaml"
    file.write_text(filled_in("gcp-gpu.yaml"))
    monkeypatch.chdir(tmp_path)
    assert main([str(file)]) == 1
    assert "from the root of the repository" in capsys.readouterr().err


@pytest.mark.parametrize("content", ["a: [1", None])
def test_what_is_no_yaml_is_refused(
    content: str | None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "launcher.yaml"
    if content is not None:
        file.write_text(content)
    assert main([str(file)]) == 1
    assert "cannot be read as YAML" in capsys.readouterr().err
