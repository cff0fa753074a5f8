"""What `ray up` would do with the two launcher files, as far as that shows without a cloud."""

import inspect
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from ray.autoscaler._private.util import prepare_config, validate_config
from ray.dashboard.modules.job import job_supervisor
from ray.scripts.scripts import start

from tests.cluster.files import LAUNCHERS, ROOT, SCRIPTS, document, split_commands

BIN = Path(sys.executable).parent
STOP_WAIT = "RAY_JOB_STOP_WAIT_TIME_S"
COMMAND_LISTS = (
    "initialization_commands",
    "setup_commands",
    "head_setup_commands",
    "worker_setup_commands",
    "head_start_ray_commands",
    "worker_start_ray_commands",
)


@pytest.fixture(params=LAUNCHERS)
def config(request: pytest.FixtureRequest) -> dict[str, Any]:
    """A launcher file merged with Ray's packaged defaults, as `ray up` sees it."""
    prepared: dict[str, Any] = prepare_config(document(request.param))
    return prepared


def commands(config: dict[str, Any]) -> list[str]:
    return [command for key in COMMAND_LISTS for command in config[key]]


def ray_start(config: dict[str, Any], key: str) -> tuple[str, dict[str, str]]:
    """The one command of a list that starts Ray, and its flags."""
    (line,) = (command for command in config[key] if "ray start" in command)
    (words,) = (words for words in split_commands(line) if words[:2] == ["ray", "start"])
    flags = (word.split("=", 1) for word in words[2:])
    return line, {flag[0]: flag[1] if len(flag) == 2 else "" for flag in flags}


def worker_types(config: dict[str, Any]) -> list[dict[str, Any]]:
    types = config["available_node_types"]
    return [value for name, value in types.items() if name != config["head_node_type"]]


def stop_seconds(line: str) -> int:
    """How long `ray job stop` waits between SIGTERM and SIGKILL."""
    (seconds,) = re.findall(rf"{STOP_WAIT}=(\d+) ray start --head", line)
    return int(seconds)


def is_spot(node_config: dict[str, Any]) -> bool:
    aws = node_config.get("InstanceMarketOptions", {}).get("MarketType")
    gcp = node_config.get("scheduling", {}).get("provisioningModel")
    return "spot" in (aws, str(gcp).lower())


def test_ray_accepts_the_file(config: dict[str, Any]) -> None:
    validate_config(config)


def test_head_is_on_demand_and_every_worker_on_spot(config: dict[str, Any]) -> None:
    head = config["available_node_types"][config["head_node_type"]]
    assert not is_spot(head["node_config"])
    assert worker_types(config)
    assert all(is_spot(worker["node_config"]) for worker in worker_types(config))


def test_nothing_runs_while_nothing_is_asked_for(config: dict[str, Any]) -> None:
    assert all(worker["min_workers"] == 0 for worker in worker_types(config))
    assert all(
        0 < worker["max_workers"] <= config["max_workers"] for worker in worker_types(config)
    )
    assert 0 < config["idle_timeout_minutes"] <= 10
    assert config["provider"]["cache_stopped_nodes"] is False


def test_a_preempted_gcp_node_is_deleted_with_its_disk() -> None:
    (worker,) = worker_types(document("gcp-gpu.yaml"))
    assert worker["node_config"]["scheduling"]["instanceTerminationAction"] == "DELETE"
    assert all(disk["autoDelete"] for disk in worker["node_config"]["disks"])


def test_only_workers_offer_gpus(config: dict[str, Any]) -> None:
    head = config["available_node_types"][config["head_node_type"]]
    assert "GPU" not in head["resources"]
    assert all(worker["resources"]["GPU"] == 1 for worker in worker_types(config))


def test_no_packaged_default_command_is_left(config: dict[str, Any]) -> None:
    everything = " ".join(commands(config))
    for word in ("nightly", "latest", "wheels", "dev0", "0.0.0.0"):
        assert word not in everything


@pytest.mark.parametrize("name", LAUNCHERS)
def test_every_packaged_command_list_is_replaced(name: str) -> None:
    own = document(name)
    defaults = prepare_config({"provider": {"type": own["provider"]["type"]}})
    assert {key for key in COMMAND_LISTS if defaults[key]} <= set(own)


def test_nodes_install_the_pinned_packages(config: dict[str, Any]) -> None:
    (setup,) = config["setup_commands"]
    script, *requirements = setup.split()[1:]
    assert config["file_mounts"][script] == "cluster/setup-node.sh"
    folder = script.rsplit("/", 1)[0]
    for name in ("constraints.txt", "pyproject.toml", *requirements):
        assert f"{folder}/{name}" in config["file_mounts"]


def test_mounted_files_are_in_the_repository(config: dict[str, Any]) -> None:
    local = set(config["file_mounts"].values()) - {"~/.ray/auth_token"}
    assert [path for path in sorted(local) if not (ROOT / path).is_file()] == []


def test_head_and_workers_ask_for_the_token(config: dict[str, Any]) -> None:
    assert config["file_mounts"]["~/.ray/auth_token"] == "~/.ray/auth_token"
    for key in ("head_start_ray_commands", "worker_start_ray_commands"):
        line, _ = ray_start(config, key)
        assert re.search(r"RAY_AUTH_MODE=token (\w+=\S+ )*ray start", line)


def test_a_stopped_job_has_more_than_three_seconds_to_end(config: dict[str, Any]) -> None:
    line, _ = ray_start(config, "head_start_ray_commands")
    assert stop_seconds(line) >= 30


def test_dashboard_and_tracking_server_listen_on_loopback(config: dict[str, Any]) -> None:
    _, flags = ray_start(config, "head_start_ray_commands")
    assert flags["--dashboard-host"] == "127.0.0.1"
    (server,) = (line for line in commands(config) if "mlflow-server.sh" in line)
    # One argument, the artifacts: the host is left at the script's default.
    assert len(server.split()) == 3


def test_ray_start_knows_its_flags_and_workers_find_the_head(config: dict[str, Any]) -> None:
    known = {name for parameter in start.params for name in parameter.opts}
    _, head = ray_start(config, "head_start_ray_commands")
    _, worker = ray_start(config, "worker_start_ray_commands")
    assert set(head) | set(worker) <= known
    assert worker["--address"] == f"$RAY_HEAD_IP:{head['--port']}"
    # Without it the head would start no autoscaler, and no worker would ever come.
    assert head["--autoscaling-config"] == "~/ray_bootstrap_config.yaml"


def test_commands_and_scripts_are_valid_bash(config: dict[str, Any]) -> None:
    sources = [*commands(config), *((ROOT / "cluster" / name).read_text() for name in SCRIPTS)]
    for source in sources:
        done = subprocess.run(["bash", "-n"], input=source, capture_output=True, text=True)
        assert done.returncode == 0, f"{source}\n{done.stderr}"


def test_shellcheck_finds_nothing_in_the_scripts() -> None:
    scripts = [str(ROOT / "cluster" / name) for name in SCRIPTS]
    # Beside Python in an environment that is not activated.
    shellcheck = shutil.which("shellcheck", path=f"{BIN}{os.pathsep}{os.environ['PATH']}")
    assert shellcheck is not None, "make setup installs it"
    done = subprocess.run([shellcheck, *scripts], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_ray_reads_the_wait_that_the_files_set() -> None:
    assert f'"{STOP_WAIT}"' in inspect.getsource(job_supervisor)


def test_both_clouds_run_the_same_commands() -> None:
    aws, gcp = (document(name) for name in LAUNCHERS)
    for key in ("worker_setup_commands", "worker_start_ray_commands"):
        assert aws[key] == gcp[key]
    assert aws["head_start_ray_commands"][:2] == gcp["head_start_ray_commands"][:2]
