"""Files at the root that repeat what another file says."""

import hashlib
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml

from tests.cluster.files import ROOT

WORKFLOW = ROOT / ".github" / "workflows" / "ci.yml"
CITATION = ROOT / "CITATION.cff"

APACHE_2_SHA256 = "cfc7749b96f63bd31c3c42b5c471bf756814053e847c10f3eb003417bc523d30"


@pytest.mark.skipif(not (ROOT / "Makefile").exists(), reason="no Makefile to compare")
def test_pre_commit_runs_what_make_lint_runs() -> None:
    makefile = (ROOT / "Makefile").read_text().replace("$(BIN)", ".venv/bin")
    recipe = re.search(r"^lint:.*\n((?:\t.*\n)+)", makefile, flags=re.MULTILINE)
    assert recipe is not None
    config = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())
    hooks = [hook for repo in config["repos"] for hook in repo["hooks"]]
    assert [hook["entry"] for hook in hooks] == [line.strip() for line in recipe[1].splitlines()]
    assert all(hook["language"] == "system" and not hook["pass_filenames"] for hook in hooks)


def test_the_license_is_the_plain_apache_text() -> None:
    content = (ROOT / "LICENSE").read_bytes()
    assert hashlib.sha256(content).hexdigest() == APACHE_2_SHA256


@pytest.mark.parametrize(
    ("path", "schema"),
    [(WORKFLOW, "vendor.github-workflows"), (CITATION, "vendor.citation-file-format")],
    ids=["workflow", "citation"],
)
def test_what_github_reads_is_as_its_schema_says(path: Path, schema: str) -> None:
    command = (sys.executable, "-m", "check_jsonschema", "--builtin-schema", schema, path)
    checked = subprocess.run(command, capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_the_workflow_runs_what_must_pass_and_may_write_nothing() -> None:
    workflow = yaml.safe_load(WORKFLOW.read_text())
    (job,) = workflow["jobs"].values()
    assert [step.get("run") for step in job["steps"]][-1] == ".ci/run"
    assert workflow["permissions"] == {"contents": "read"}


def test_the_paper_is_cited_by_its_three_titles() -> None:
    citation = yaml.safe_load(CITATION.read_text())
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert (citation["version"], citation["license"]) == (project["version"], project["license"])
    cited = [citation["preferred-citation"], *citation["references"]]
    assert len({paper["title"] for paper in cited}) == 3
    for paper in cited:
        names = [author["family-names"] for author in paper["authors"]]
        assert names == ["Ali", "Galanti", "Zheltonozhskiy", "Baskin", "Wolf"]
