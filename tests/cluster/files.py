"""The cluster files as the tests read them."""

import re
import shlex
import tomllib
from pathlib import Path
from typing import Any

import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[2]
LAUNCHERS = ("aws-gpu.yaml", "gcp-gpu.yaml")
SERVERS = ("mlflow-server.yaml", "mlflow-server-postgres.yaml")
MANIFESTS = ("kuberay-job.yaml", *SERVERS)
SCRIPTS = ("setup-node.sh", "mlflow-server.sh", "slurm.sh")


def text(name: str) -> str:
    return (ROOT / "cluster" / name).read_text()


def documents(name: str) -> list[Any]:
    return list(yaml.safe_load_all(text(name)))


def document(name: str) -> dict[str, Any]:
    (only,) = documents(name)
    assert isinstance(only, dict)
    return only


def filled_in(name: str) -> str:
    """A file with every placeholder replaced, as a user would leave it."""
    return re.sub(r"SET_ME_\w+", "my-value", text(name))


def pins(file: Path) -> dict[str, str]:
    """Versions by canonical name; refuses anything but NAME==VERSION."""
    found: dict[str, str] = {}
    for line in file.read_text().splitlines():
        if line.strip() and not line.startswith("#"):
            requirement = Requirement(line)
            (specifier,) = requirement.specifier
            assert specifier.operator == "==", line
            found[canonicalize_name(requirement.name)] = specifier.version
    return found


def project_requirements(extra: str | None = None) -> list[Requirement]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    lines = project["dependencies"] if extra is None else project["optional-dependencies"][extra]
    return [Requirement(line) for line in lines]


def readme_commands() -> list[str]:
    """The commands of the README's code blocks and inline code, continued lines joined."""
    blocks = re.findall(r"```bash\n(.*?)```", text("README.md"), flags=re.DOTALL)
    lines = [line for block in blocks for line in block.replace("\\\n", " ").splitlines()]
    prose = re.sub(r"```.*?```", "", text("README.md"), flags=re.DOTALL)
    return lines + [code.replace("\n", " ") for code in re.findall(r"`([^`]+)`", prose)]


def split_commands(line: str) -> list[list[str]]:
    """Words of each simple command of a line such as `a && b; VAR=x c`, without assignments."""
    lexer = shlex.shlex(line, posix=True, punctuation_chars=";&|")
    lexer.whitespace_split = True
    commands: list[list[str]] = [[]]
    for word in lexer:
        if set(word) <= set(";&|"):
            commands.append([])
        elif commands[-1] or not re.match(r"\w+=", word):
            commands[-1].append(word)
    return [command for command in commands if command]


def comment_commands(name: str) -> list[str]:
    """The commands in the comments of a file, known by their indent, continued lines joined."""
    joined = text(name).replace("\\\n#", "")
    return re.findall(r"^#   (\S.*)$", joined, flags=re.MULTILINE)


def hook_commands() -> list[list[str]]:
    """What Kubernetes runs before it stops the head."""
    groups = document("kuberay-job.yaml")["spec"]["rayClusterSpec"]
    containers = groups["headGroupSpec"]["template"]["spec"]["containers"]
    return [container["lifecycle"]["preStop"]["exec"]["command"] for container in containers]


def sweep_commands() -> list[list[str]]:
    """Every `python -m sweep.NAME ...` of the README, the manifests and the scripts, as words."""
    lines = [*readme_commands(), document("kuberay-job.yaml")["spec"]["entrypoint"]]
    lines += comment_commands("slurm.sh")
    commands = [words for line in lines for words in split_commands(line)] + hook_commands()
    return [
        words[start:]
        for words in commands
        for start, word in enumerate(words)
        if word.startswith("sweep.") and words[start - 1] == "-m"
    ]
