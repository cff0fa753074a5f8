"""Real processes of a `torch.distributed` group, for tests of several workers."""

import os
import socket
from typing import Any

import torch
import torch.distributed as dist
import torch.multiprocessing as mp


def in_workers(worker: Any, world_size: int, *arguments: Any, backend: str = "gloo") -> None:
    """Run `worker(rank, world_size, *arguments)` in that many processes."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    passed = (worker, world_size, port, arguments, backend)
    mp.spawn(_enter, args=passed, nprocs=world_size)  # type: ignore[no-untyped-call]


def _enter(
    rank: int,
    worker: Any,
    world_size: int,
    port: int,
    arguments: tuple[Any, ...],
    backend: str,
) -> None:
    os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    torch.set_num_threads(1)
    dist.init_process_group(backend, rank=rank, world_size=world_size)
    worker(rank, world_size, *arguments)
    dist.destroy_process_group()
    # torch's gloo threads were seen to live on, and one that still held a tensor while the
    # interpreter was taken down to have aborted the process. So there is no taking down.
    os._exit(0)
