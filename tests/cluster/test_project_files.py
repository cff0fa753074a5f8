"""Files at the root that repeat what another file says."""

import hashlib
import re

import pytest
import yaml

from tests.cluster.files import ROOT

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
