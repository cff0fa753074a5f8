"""Joining a Ray cluster, or starting Ray on this machine."""

import atexit
import logging
import os
import signal
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path

import psutil
import ray
import torch
from ray._private import services, worker

from sweep.engine.placement import Placement
from sweep.errors import EXIT_LOST, ClusterLostError, SweepError

_LOOPBACK = "127.0.0.1"


@contextmanager
def start_ray(address: str | None, placement: Placement) -> Iterator[None]:
    """Join a cluster, or start Ray on this machine, for a block.

    Raises
    ------
    SweepError
        If no cluster answers, or one trial asks for more than the cluster has.
    """
    address = address or os.environ.get("RAY_ADDRESS")
    # Tune's and Ray's own progress would drown ours.
    os.environ.setdefault("RAY_AIR_NEW_OUTPUT", "0")
    # Tune's own handler ends `fit` as if all were well; Ctrl-C must reach the command line.
    os.environ["TUNE_DISABLE_SIGINT_HANDLER"] = "1"
    os.environ.setdefault("RAY_TRAIN_HEALTH_CHECK_INTERVAL_S", "0.5")
    joined = address or _address_of_last_start()
    if joined:
        _check_address(joined)
    is_local = joined in (None, "local")
    if is_local:
        placement.check_fits(_of_this_machine(), where="this machine")  # Ray takes seconds to start
    on_sigterm = signal.getsignal(signal.SIGTERM)
    try:
        with _loopback_kept() if is_local else nullcontext():
            ray.init(
                address=address,
                include_dashboard=False if is_local else None,
                log_to_driver=False,
                logging_level=logging.ERROR,
                configure_logging=True,
                _node_ip_address=_LOOPBACK if is_local else None,
            )
    except (ConnectionError, RuntimeError, ValueError) as error:
        raise _no_cluster(joined, error) from error
    if callable(on_sigterm):
        # Ray has put its own in the place of the command's, which ends the process in disorder.
        signal.signal(signal.SIGTERM, on_sigterm)
    try:
        resources: dict[str, float] = ray.cluster_resources()  # type: ignore[no-untyped-call]
        placement.check_fits(resources, where="the cluster")
        yield
    except ClusterLostError:
        abandon_ray()
        raise
    except BaseException:
        ray.shutdown()
        raise
    ray.shutdown()


@contextmanager
def join_ray(address: str) -> Iterator[None]:
    """Join a cluster for a block, to look at it alone.

    Raises
    ------
    SweepError
        If no cluster answers.
    """
    _check_address(address)
    try:
        ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR)
    except (ConnectionError, RuntimeError, ValueError) as error:
        raise _no_cluster(address, error) from error
    try:
        yield
    finally:
        ray.shutdown()


def abandon_ray() -> None:
    """Leave a cluster that is gone without asking it anything more.

    What Ray and Tune do at the exit of Python would wait for it, so the exit is cut short before.
    """
    atexit.register(_exit_at_once)
    if worker._global_node is not None and worker._global_node.is_head():
        # A raylet that is killed leaves its agents behind for a while.
        started = psutil.Process().children(recursive=True)
        worker._global_node.kill_all_processes(check_alive=False, allow_graceful=False)
        for process in started:
            with suppress(psutil.NoSuchProcess):
                process.kill()


def _exit_at_once() -> None:
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(EXIT_LOST)


@contextmanager
def _loopback_kept() -> Iterator[None]:
    """Let a Ray for this machine alone listen on its loopback interface.

    Ray would take the machine's address in the place of 127.0.0.1, and listen on all interfaces:
    whoever reaches its ports can run code.
    """
    resolve = services.resolve_ip_for_localhost
    services.resolve_ip_for_localhost = lambda host: host
    try:
        yield
    finally:
        services.resolve_ip_for_localhost = resolve


def _of_this_machine() -> dict[str, float]:
    """At least what a Ray that starts here will count."""
    return {"CPU": float(os.cpu_count() or 1), "GPU": float(torch.cuda.device_count())}


def _address_of_last_start() -> str | None:
    """Where the last `ray start` of this machine ran, which Ray joins if it is told no address.

    `ray stop` removes the file, but a Ray that died leaves it.
    """
    folder = os.environ.get("TMPDIR", "/tmp") if sys.platform == "linux" else "/tmp"
    path = Path(os.environ.get("RAY_TMPDIR", folder), "ray", "ray_current_cluster")
    return (path.read_text().strip() if path.is_file() else "") or None


def _check_address(address: str) -> None:
    """Ask the port before Ray does: Ray tries for minutes, and then ends the process."""
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if not port.isdigit():
        return  # "auto" and "local" are Ray's to resolve
    try:
        with socket.create_connection((host, int(port)), timeout=5):
            return
    except OSError as error:
        raise _no_cluster(address, error) from error


def _no_cluster(address: str | None, error: Exception) -> SweepError:
    return SweepError(
        f"No Ray cluster answers at {address!r} ({str(error).splitlines()[0]}): start one with "
        "`ray start --head`, forget one that died with `ray stop`, or give --address local to run "
        "on this machine alone."
    )
