"""Every version of the cluster files comes from constraints.txt."""

import re

import pytest
from packaging.utils import canonicalize_name
from packaging.version import Version

from tests.cluster.files import ROOT, document, pins, project_requirements, text

CONSTRAINTS = ROOT / "constraints.txt"
pytestmark = pytest.mark.skipif(not CONSTRAINTS.exists(), reason="no constraints.txt to compare")


@pytest.fixture(scope="module")
def versions() -> dict[str, str]:
    return pins(CONSTRAINTS)


@pytest.mark.parametrize("extra", [None, "bench", "dev", "pretrained", "server"])
def test_every_direct_dependency_is_pinned_in_its_range(
    extra: str | None, versions: dict[str, str]
) -> None:
    for requirement in project_requirements(extra):
        name = canonicalize_name(requirement.name)
        assert name in versions
        assert requirement.specifier.contains(versions[name])


def test_no_pin_asks_for_a_cpu_build(versions: dict[str, str]) -> None:
    # A local version such as 2.14.1+cpu would leave the GPU workers without CUDA.
    assert [name for name, version in versions.items() if Version(version).local] == []


@pytest.mark.parametrize("cloud", ["aws", "gcp"])
def test_cloud_packages_are_pinned_and_do_not_contradict(
    cloud: str, versions: dict[str, str]
) -> None:
    own = pins(ROOT / "cluster" / f"requirements-{cloud}.txt")
    assert own
    assert {name: versions[name] for name in own if name in versions}.items() <= own.items()


def test_kuberay_runs_the_pinned_ray(versions: dict[str, str]) -> None:
    assert document("kuberay-job.yaml")["spec"]["rayClusterSpec"]["rayVersion"] == versions["ray"]


def test_image_is_built_from_the_constraints() -> None:
    dockerfile = text("Dockerfile")
    assert "FROM rayproject/ray:${RAY_VERSION}-py311" in dockerfile
    assert re.search(r"^ARG RAY_VERSION$", dockerfile, flags=re.MULTILINE)  # no default
    assert "pip install --no-cache-dir --constraint constraints.txt" in dockerfile
    assert "latest" not in dockerfile


def test_whatever_runs_the_mlflow_server_gets_its_extra() -> None:
    assert "'.[server]'" in text("Dockerfile")
    assert "--extra server" in text("setup-node.sh")


def test_nodes_and_image_have_one_python() -> None:
    (version,) = re.findall(r"^python_version=(\S+)$", text("setup-node.sh"), flags=re.MULTILINE)
    assert f"-py{version.replace('.', '')}" in text("Dockerfile")
