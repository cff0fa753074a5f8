"""The commands of the README and the manifests exist, with their flags."""

import re
import subprocess
import sys

import click
import pytest
from ray.scripts.scripts import cli

from tests.cluster.files import ROOT, readme_commands, split_commands, sweep_commands


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


@pytest.mark.skipif(
    not (ROOT / "sweep" / "ablation_p.py").exists(), reason="the sweep is not written yet"
)
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
    assert used
    assert used <= known
