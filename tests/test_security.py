"""What SECURITY.md says of reading files, looked for in the code."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SOURCES = [
    path
    for package in ("cluster", "core", "search_spaces", "sweep")
    for path in sorted((ROOT / package).rglob("*.py"))
]
RUNS_WHAT_IT_READS = {
    *("cloudpickle.load", "cloudpickle.loads", "pickle.load", "pickle.loads", "pickle.Unpickler"),
    *("eval", "exec", "joblib.load", "marshal.loads", "shelve.open"),
    *("yaml.load", "yaml.load_all", "yaml.unsafe_load"),
}
# Of an error that Tune wrote on this machine.
EXPECTED = {("sweep/engine/callback.py", "cloudpickle.loads")}


def unsafe_calls(source: str) -> Iterator[str]:
    """Names of the calls that may run what a file holds."""
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.Call):
            continue
        name = ast.unparse(node.func)
        settings = {word.arg: ast.unparse(word.value) for word in node.keywords}
        if (
            name in RUNS_WHAT_IT_READS
            or (name == "torch.load" and settings.get("weights_only") != "True")
            or settings.get("allow_pickle", "False") != "False"
            or settings.get("shell", "False") != "False"
        ):
            yield name


def test_no_file_is_read_in_a_way_that_runs_it() -> None:
    assert len(SOURCES) > 100
    found = {
        (path.relative_to(ROOT).as_posix(), name)
        for path in SOURCES
        for name in unsafe_calls(path.read_text())
    }
    assert found == EXPECTED


@pytest.mark.parametrize(
    ("source", "name"),
    [
        ("torch.load(path)", "torch.load"),
        ("torch.load(path, weights_only=False)", "torch.load"),
        ("np.load(path, allow_pickle=True)", "np.load"),
        ("pickle.loads(content)", "pickle.loads"),
        ("run(line, shell=True)", "run"),
        ("eval(text)", "eval"),
    ],
)
def test_the_look_through_the_code_finds_what_it_is_for(source: str, name: str) -> None:
    assert list(unsafe_calls(source)) == [name]


def test_every_file_that_security_names_exists() -> None:
    text = (ROOT / "SECURITY.md").read_text()
    names = {word.strip("`") for word in text.split() if word.strip("`().,;:*").endswith(".py")}
    names = {name.strip("`().,;:*") for name in names}
    assert names
    missing = [
        name
        for name in names
        if not (ROOT / name).is_file() and not (ROOT / "tests" / "cluster" / name).is_file()
    ]
    assert missing == []
