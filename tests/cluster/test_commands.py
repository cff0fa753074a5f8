"""The commands of the README and the manifests exist, with their flags."""

import argparse
import re
import subprocess
import sys

import click
import pytest
from ray.scripts.scripts import cli

from sweep.cli import add_run_flags
from tests.cluster.files import (
    ROOT,
    SERVERS,
    document,
    documents,
    readme_commands,
    split_commands,
    sweep_commands,
    text,
)

OPTIONS = re.compile(r"options\+?=(\(.*?\)\n)")


def ray_commands() -> list[list[str]]:
    lines = (words for line in readme_commands() for words in split_commands(line))
    # `ray up` alone in a sentence names the tool; with an argument it is a command.
    return [words for words in lines if words[0] == "ray" and len(words) > 2]


def test_the_readme_goes_all_the_way() -> None:
    steps = [" ".join(words[1:3]) for words in ray_commands()]
    order = ["get-auth-token --generate", "up cluster/aws-gpu.yaml", "attach -p", "job submit"]
    assert [steps.index(step) for step in order] == sorted(steps.index(step) for step in order)
    assert "down cluster/aws-gpu.yaml" in steps
    assert sweep_commands()


@pytest.mark.parametrize("words", ray_commands(), ids=" ".join)
def test_ray_knows_the_command(words: list[str]) -> None:
    command: click.Command = cli
    rest = words[1:]
    while isinstance(command, click.Group):
        assert rest[0] in command.commands
        command = command.commands[rest.pop(0)]
    own = rest[: rest.index("--")] if "--" in rest else rest
    known = {name for parameter in command.params for name in parameter.opts}
    assert {word.split("=")[0] for word in own if word.startswith("-")} <= known


@pytest.mark.parametrize("module", sorted({words[0] for words in sweep_commands()}))
def test_the_sweep_knows_its_flags(module: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", module, "--help"], cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    known = set(re.findall(r"--[a-z][a-z-]*", done.stdout))
    used = {
        word.split("=")[0]
        for words in sweep_commands()
        for word in words
        if words[0] == module and word.startswith("--")
    }
    assert used <= known


def test_what_a_person_needs_is_shown_and_exists() -> None:
    shown = {words[0] for words in sweep_commands()}
    assert {"sweep.ablation_p", "sweep.status", "sweep.cancel"} <= shown
    # In a sentence a flag stands alone, with its value or without.
    alone = {code.split()[0] for code in readme_commands() if code.startswith("--")}
    assert {"--retries", "--storage", "--take-over", "--tracking-uri", "--wait-for-nodes"} <= alone
    known = add_run_flags(argparse.ArgumentParser()).format_help()
    of_others = {"--allowed-hosts", "--auth", "--from-env-file", "--requeue", "--runtime-env-json"}
    assert not {flag for flag in alone if flag not in known} - of_others


def server_options() -> dict[str, list[str]]:
    """Flags that a file gives to `mlflow server`."""
    found = {"compose.yaml": document("compose.yaml")["services"]["mlflow"]["command"][2:]}
    for name in SERVERS:
        (server,) = (item for item in documents(name) if item["kind"] == "Deployment")
        (container,) = server["spec"]["template"]["spec"]["containers"]
        found[name] = container["args"]
    script = text("mlflow-server.sh").split("answers()", 1)[1]
    found["mlflow-server.sh"] = re.findall(r"[( ](--[a-z-]+) ", "".join(OPTIONS.findall(script)))
    return found


@pytest.fixture(scope="module")
def known_to_mlflow() -> set[str]:
    # In a process of its own: the import of MLflow's command line warns.
    code = "from mlflow.cli import server as s; print(*(o for p in s.params for o in p.opts))"
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code], capture_output=True, text=True, check=True
    )
    return set(done.stdout.split())


@pytest.mark.parametrize("name", server_options())
def test_mlflow_knows_the_options_of_its_server(name: str, known_to_mlflow: set[str]) -> None:
    used = {option.split("=")[0] for option in server_options()[name]}
    assert used >= {"--host", "--port", "--workers", "--allowed-hosts"}
    assert used <= known_to_mlflow
