"""Name what is still unset or missing in a cluster file, before a node that costs money starts.

`ray up` looks for the mounted files only after the head has started, and a placeholder in a
command is found later still. Run this first, from the root of the repository:

    python -m cluster.check cluster/aws-gpu.yaml && ray up cluster/aws-gpu.yaml
"""

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

PLACEHOLDER = "SET_ME"
_REMEDIES = {
    "~/.ray/auth_token": "make it with `ray get-auth-token --generate`",
}
_FROM_ROOT = "run this and `ray up` from the root of the repository"


def unset_values(node: Any, path: str = "") -> Iterator[str]:
    """Yield the path and text of every value that still holds a placeholder."""
    if isinstance(node, dict):
        for key, value in node.items():
            yield from unset_values(value, f"{path}.{key}" if path else str(key))
    elif isinstance(node, list):
        for index, value in enumerate(node):
            yield from unset_values(value, f"{path}[{index}]")
    elif isinstance(node, str) and PLACEHOLDER in node:
        yield f"`{path}` must be set, but is {node!r}."


def missing_mounts(document: Any) -> Iterator[str]:
    """Yield a line for each local file of `file_mounts` that does not exist."""
    mounts = document.get("file_mounts", {}) if isinstance(document, dict) else {}
    for local in mounts.values():
        if not Path(local).expanduser().exists():
            remedy = _REMEDIES.get(local, _FROM_ROOT)
            yield f"`file_mounts` needs the file {local!r}, which does not exist: {remedy}."


def documents(file: Path) -> list[Any]:
    """The YAML documents of a file, or the values of a file of NAME=VALUE lines, which is one."""
    text = file.read_text()
    if ".env" not in file.suffixes:
        return list(yaml.safe_load_all(text))
    lines = (line for line in text.splitlines() if line.strip() and not line.startswith("#"))
    return [{name: value for name, _, value in (line.partition("=") for line in lines)}]


def shown_to_others(file: Path) -> Iterator[str]:
    """Yield a line if a file of secrets may be read by more than its owner."""
    if file.suffix == ".env" and file.stat().st_mode & 0o077:
        yield f"Its owner alone must be able to read it: chmod 600 {file}"


def problems(file: Path) -> list[str]:
    """All that keeps a cluster file from being used, one sentence each.

    Raises
    ------
    OSError
        If the file cannot be read.
    yaml.YAMLError
        If it is not YAML.
    """
    found = list(shown_to_others(file))
    for document in documents(file):
        found += unset_values(document)
        found += missing_mounts(document)
    return found


def main(arguments: list[str] | None = None) -> int:
    """Print the problems of one file; 0 if there are none, else 1."""
    parser = argparse.ArgumentParser(prog="python -m cluster.check", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("file", type=Path, help="a file of cluster/, with your values filled in")
    file = parser.parse_args(arguments).file
    try:
        found = problems(file)
    except (OSError, yaml.YAMLError) as error:
        found = [f"The file cannot be read as YAML: {error}"]
    for problem in found:
        sys.stderr.write(f"{file}: {problem}\n")
    if not found:
        sys.stdout.write(f"{file}: every value is set.\n")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
