"""Joining a Ray cluster, or starting Ray on this machine."""

import logging
import os
import signal
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import ray
import torch

from sweep.engine.placement import Placement
from sweep.errors import SweepError


@contextmanager
def start_ray(address: str | None, placement: Placement) -> Iterator[dict[str, float]]:
    """Join a cluster, or start Ray on this machine; yield its resources.

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
    if joined in (None, "local"):
        placement.check_fits(_of_this_machine(), where="this machine")  # Ray takes seconds to start
    on_sigterm = signal.getsignal(signal.SIGTERM)
    try:
        ray.init(
            address=address,
            include_dashboard=None if joined not in (None, "local") else False,
            log_to_driver=False,
            logging_level=logging.ERROR,
            configure_logging=True,
        )
    except (ConnectionError, RuntimeError, ValueError) as error:
        raise _no_cluster(joined, error) from error
    if callable(on_sigterm):
        # Ray has put its own in the place of the command's, which ends the process in disorder.
        signal.signal(signal.SIGTERM, on_sigterm)
    try:
        resources: dict[str, float] = ray.cluster_resources()  # type: ignore[no-untyped-call]
        placement.check_fits(resources, where="the cluster")
        yield resources
    finally:
        ray.shutdown()


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
