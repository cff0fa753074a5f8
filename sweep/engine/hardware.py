"""What a trial takes of its machine, sampled by the process that trains."""

import functools
import logging
import threading
import time
from contextlib import suppress

import psutil
import torch

from sweep.tracking import metrics

SAMPLE_EVERY = 1.0
"""Seconds between two samples of memory and of the GPU's utilisation."""

_MEGABYTE = 1e6
_log = logging.getLogger(__name__)


class Hardware:
    """Peaks and means since they were taken last, of this process and those that decode for it.

    Pages that processes share count in each of them. Of several workers each knows its own.

    Parameters
    ----------
    device
        Where the trial trains, in torch's words.
    cpus
        That the worker was given: with all of them busy the utilisation is 100.

    Examples
    --------
    >>> sorted(Hardware("cpu", cpus=1).take())
    ['system/cpu_utilization', 'system/memory_peak']
    """

    def __init__(self, device: str, *, cpus: int) -> None:
        self._device = torch.device(device)
        self._cpus = cpus
        self._process = psutil.Process()
        self._lock = threading.Lock()
        self._has_utilization = self._device.type == "cuda"
        self._reset()
        threading.Thread(target=self._look, name="hardware", daemon=True).start()

    def take(self) -> dict[str, float]:
        """Numbers by the keys of `sweep.tracking.metrics`, and begin anew.

        Memory is in megabytes, utilisation in percent. What the machine does not say is absent.
        """
        with self._lock:
            self._sample()
            busy = self._cpu_seconds() - self._busy_before
            wall = max(time.monotonic() - self._since, 1e-6)
            values = {
                metrics.SYSTEM_MEMORY: self._memory,
                metrics.SYSTEM_CPU: 100 * busy / wall / self._cpus,
            }
            if self._device.type == "cuda":
                peak = torch.cuda.max_memory_allocated(self._device)
                values[metrics.SYSTEM_GPU_MEMORY] = peak / _MEGABYTE
            if self._utilizations:
                values[metrics.SYSTEM_GPU] = sum(self._utilizations) / len(self._utilizations)
            self._reset()
        return values

    def _reset(self) -> None:
        self._since = time.monotonic()
        self._busy_before = self._cpu_seconds()
        self._memory = 0.0
        self._utilizations: list[float] = []
        if self._device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(self._device)

    def _look(self) -> None:
        pause = threading.Event()
        while not pause.wait(SAMPLE_EVERY):
            with self._lock:
                self._sample()

    def _sample(self) -> None:
        self._memory = max(self._memory, self._resident_bytes() / _MEGABYTE)
        if self._has_utilization:
            try:
                self._utilizations.append(float(torch.cuda.utilization(self._device)))
            except Exception:  # noqa: BLE001 - a driver or a share of a card that does not tell
                _log.warning("The GPU does not tell its utilisation.", exc_info=True)
                self._has_utilization = False

    def _cpu_seconds(self) -> float:
        """Of this process; of one that decodes, once it has ended."""
        times = self._process.cpu_times()
        return float(times.user + times.system + times.children_user + times.children_system)

    def _resident_bytes(self) -> int:
        total = int(self._process.memory_info().rss)
        for child in self._process.children(recursive=True):
            with suppress(psutil.NoSuchProcess):  # it has just ended
                total += child.memory_info().rss
        return total


@functools.cache
def hardware(device: str, cpus: int) -> Hardware:
    """That of this process."""
    return Hardware(device, cpus=cpus)
