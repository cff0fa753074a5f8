"""The Kubernetes manifests, as far as that shows without a cluster."""

import configparser
from typing import Any

import pytest

from tests.cluster.files import MANIFESTS, SERVERS, document, documents, hook_commands, text


@pytest.fixture
def job() -> dict[str, Any]:
    return document("kuberay-job.yaml")


@pytest.fixture
def cluster(job: dict[str, Any]) -> dict[str, Any]:
    spec: dict[str, Any] = job["spec"]["rayClusterSpec"]
    return spec


def by_kind(name: str) -> dict[str, dict[str, Any]]:
    """The documents of a manifest."""
    return {item["kind"]: item for item in documents(name)}


@pytest.fixture(params=SERVERS)
def server(request: pytest.FixtureRequest) -> dict[str, dict[str, Any]]:
    """A manifest of the MLflow server, by kind."""
    return by_kind(request.param)


def pod(group: dict[str, Any]) -> dict[str, Any]:
    spec: dict[str, Any] = group["template"]["spec"]
    return spec


def test_job_cleans_up_after_itself(job: dict[str, Any]) -> None:
    assert (job["apiVersion"], job["kind"]) == ("ray.io/v1", "RayJob")
    assert job["spec"]["shutdownAfterJobFinishes"] is True
    assert job["spec"]["ttlSecondsAfterFinished"] > 0
    assert job["spec"]["activeDeadlineSeconds"] > 0
    assert job["spec"]["backoffLimit"] >= 1


def test_cluster_asks_for_the_token(cluster: dict[str, Any]) -> None:
    assert cluster["authOptions"] == {"mode": "token"}
    # The operator refuses token mode below 2.52.
    assert tuple(int(part) for part in cluster["rayVersion"].split(".")) >= (2, 52, 0)


def test_gpu_workers_grow_from_zero_on_spot(cluster: dict[str, Any]) -> None:
    assert cluster["enableInTreeAutoscaling"] is True
    (group,) = cluster["workerGroupSpecs"]
    assert (group["replicas"], group["minReplicas"]) == (0, 0)
    assert group["maxReplicas"] > 0
    tolerated = {item["key"] for item in pod(group)["tolerations"]}
    assert {"nvidia.com/gpu", "cloud.google.com/gke-spot"} <= tolerated
    (container,) = pod(group)["containers"]
    resources = container["resources"]
    # Kubernetes refuses a GPU whose request and limit differ.
    assert resources["requests"]["nvidia.com/gpu"] == resources["limits"]["nvidia.com/gpu"] == "1"


def test_head_needs_no_gpu_and_shuns_spot(cluster: dict[str, Any]) -> None:
    head = pod(cluster["headGroupSpec"])
    (container,) = head["containers"]
    assert "nvidia.com/gpu" not in container["resources"]["limits"]
    assert "tolerations" not in head
    terms = head["affinity"]["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]
    (term,) = terms["nodeSelectorTerms"]
    assert {rule["operator"] for rule in term["matchExpressions"]} == {"NotIn"}


def test_autoscaler_v2_allows_no_restart_policy(cluster: dict[str, Any]) -> None:
    assert cluster["autoscalerOptions"]["version"] == "v2"
    for group in (cluster["headGroupSpec"], *cluster["workerGroupSpecs"]):
        assert "restartPolicy" not in pod(group)


def test_all_ray_pods_run_one_image(cluster: dict[str, Any]) -> None:
    groups = (cluster["headGroupSpec"], *cluster["workerGroupSpecs"])
    assert (
        len({container["image"] for group in groups for container in pod(group)["containers"]}) == 1
    )


def test_sweep_fits_the_pods(job: dict[str, Any], cluster: dict[str, Any]) -> None:
    words = job["spec"]["entrypoint"].split()
    (group,) = cluster["workerGroupSpecs"]
    (container,) = pod(group)["containers"]
    assert words[words.index("--max-concurrent") + 1] == str(group["maxReplicas"])
    assert words[words.index("--cpus-per-trial") + 1] == container["resources"]["limits"]["cpu"]


def test_job_finds_the_tracking_server(
    job: dict[str, Any], server: dict[str, dict[str, Any]]
) -> None:
    service = server["Service"]
    (port,) = service["spec"]["ports"]
    address = f"{service['metadata']['name']}:{port['port']}"
    words = job["spec"]["entrypoint"].split()
    assert words[words.index("--tracking-uri") + 1] == f"http://{address}"
    (container,) = pod(server["Deployment"]["spec"])["containers"]
    (allowed,) = (a for a in container["args"] if a.startswith("--allowed-hosts="))
    assert address in allowed.split("=")[1].split(",")


def test_only_ray_pods_reach_the_tracking_server(server: dict[str, dict[str, Any]]) -> None:
    assert server["Service"]["spec"].get("type", "ClusterIP") == "ClusterIP"
    labels = server["Deployment"]["spec"]["template"]["metadata"]["labels"]
    policy = server["NetworkPolicy"]["spec"]
    assert policy["podSelector"]["matchLabels"] == labels
    assert server["Service"]["spec"]["selector"] == labels
    (rule,) = policy["ingress"]
    assert rule["from"] == [{"podSelector": {"matchLabels": {"ray.io/is-ray-node": "yes"}}}]


def test_one_process_alone_writes_the_sqlite_file() -> None:
    server = by_kind("mlflow-server.yaml")
    deployment = server["Deployment"]["spec"]
    assert deployment["replicas"] == 1
    assert deployment["strategy"] == {"type": "Recreate"}
    (volume,) = pod(deployment)["volumes"]
    claim = server["PersistentVolumeClaim"]["metadata"]["name"]
    assert volume["persistentVolumeClaim"]["claimName"] == claim


def test_the_login_takes_its_secrets_from_a_secret() -> None:
    server = by_kind("mlflow-server-postgres.yaml")
    (container,) = pod(server["Deployment"]["spec"])["containers"]
    assert "--app-name=basic-auth" in container["args"]
    assert not [word for word in container["args"] if "backend-store-uri" in word]
    assert container["envFrom"] == [{"secretRef": {"name": "mlflow-server"}}]
    assert "Secret" not in server, "its values would lie in the repository"
    parser = configparser.ConfigParser()
    parser.read_string(server["ConfigMap"]["data"]["auth.ini"])
    assert "admin_password" not in parser["mlflow"]
    (volume,), (mount,) = pod(server["Deployment"]["spec"])["volumes"], container["volumeMounts"]
    assert volume["configMap"]["name"] == server["ConfigMap"]["metadata"]["name"]
    given = {item["name"]: item["value"] for item in container["env"]}
    assert given["MLFLOW_AUTH_CONFIG_PATH"] == f"{mount['mountPath']}/auth.ini"


def test_both_servers_answer_in_the_same_place() -> None:
    one, other = (by_kind(name) for name in SERVERS)
    for kind in ("Service", "NetworkPolicy"):
        assert one[kind] == other[kind]
    names = {server["Deployment"]["metadata"]["name"] for server in (one, other)}
    assert len(names) == 1, "the one takes the place of the other"


def test_the_driver_has_time_to_end_in_order(job: dict[str, Any], cluster: dict[str, Any]) -> None:
    head = pod(cluster["headGroupSpec"])
    (container,) = head["containers"]
    environment = {item["name"]: item["value"] for item in container["env"]}
    (hook,) = hook_commands()
    (wait,) = (int(word.split("=")[1]) for word in hook if word.startswith("--wait="))
    assert wait >= 30
    assert head["terminationGracePeriodSeconds"] > wait
    assert int(environment["RAY_JOB_STOP_WAIT_TIME_S"]) >= 30


def test_the_head_stops_the_sweep_that_it_runs(job: dict[str, Any]) -> None:
    words = job["spec"]["entrypoint"].split()
    (hook,) = hook_commands()
    assert hook[:3] == ["python", "-m", "sweep.cancel"]
    assert words[:3] == ["python", "-m", f"sweep.{hook[3]}"]
    for flag in ("--tracking-uri", "--storage"):
        assert f"{flag}={words[words.index(flag) + 1]}" in hook


@pytest.mark.parametrize("name", MANIFESTS)
def test_no_image_moves(name: str) -> None:
    assert "latest" not in text(name)
    assert "nightly" not in text(name)
