"""T over the pairs of several workers: what a step of `core.pairs.Pairs` takes.

    python -m benchmarks.workers                   # 2 and 4 workers, a minute on two cores
    python -m benchmarks.workers --sizes cub --workers 2

Each worker is a process of its own that holds its part of every batch, talks by gloo and has one
thread. A step adds a batch, grows T and asks it for the labels of the worker's rows, as lines 10
and 11 of Alg. 1 do. The slowest worker counts. One process alone is the base of the ratios; with
more workers than cores they also wait for each other.
"""

import argparse
import os
import socket
import tempfile
import time
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
import torch.distributed as dist
import torch.multiprocessing as mp

from benchmarks.features import SIZES, Size, make_pairs
from core.config import preset_config
from core.pairs import Pairs

ALL_SIZES = {
    "field_guide": Size(num_samples=1440, num_features=128, num_classes=24, batch_size=32),
    "cub": SIZES["cub"],
}


def main() -> None:
    arguments = _parse_arguments()
    print(f"{'size':12} {'workers':>7} {'ms a step':>10} {'of one':>7}")
    for name in arguments.sizes:
        alone = _seconds(name, 1)
        for num_workers in (1, *arguments.workers):
            seconds = alone if num_workers == 1 else _seconds(name, num_workers)
            ratio = seconds / alone
            print(f"{name:12} {num_workers:7} {1e3 * seconds:10.2f} {ratio:6.2f}x", flush=True)


def _seconds(name: str, num_workers: int) -> float:
    """Seconds of a step of the slowest worker, in the mean over an epoch."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with tempfile.TemporaryDirectory() as folder:
        mp.spawn(_work, args=(num_workers, port, name, folder), nprocs=num_workers)  # type: ignore[attr-defined,no-untyped-call]
        return max(float(file.read_text()) for file in Path(folder).iterdir())


def _work(rank: int, num_workers: int, port: int, name: str, folder: str) -> None:
    os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    torch.set_num_threads(1)
    dist.init_process_group("gloo", rank=rank, world_size=num_workers)
    size = ALL_SIZES[name]
    config = preset_config(name)
    levels_ND, labels_NK = make_pairs(size, phase="late")
    pairs = Pairs(config, num_classes=size.num_classes)
    _epoch(pairs, size, levels_ND[: 4 * size.batch_size], labels_NK, rank, num_workers)
    pairs.clear()
    dist.barrier()
    seconds = _epoch(pairs, size, levels_ND, labels_NK, rank, num_workers)
    Path(folder, str(rank)).write_text(str(seconds))
    dist.destroy_process_group()
    # As in the tests of workers: gloo's threads may outlive the group and abort an orderly exit.
    os._exit(0)


def _epoch(
    pairs: Pairs,
    size: Size,
    levels_ND: npt.NDArray[np.uint8],
    labels_NK: npt.NDArray[np.float32],
    rank: int,
    num_workers: int,
) -> float:
    """Seconds a step."""
    starts = range(0, len(levels_ND), size.batch_size)
    begun = time.perf_counter()
    for start in starts:
        rows = np.arange(start, min(start + size.batch_size, len(levels_ND)))
        mine = np.array_split(rows, num_workers)[rank]
        levels_BD = torch.from_numpy(levels_ND[mine])
        pairs.add(levels_BD, torch.from_numpy(labels_NK[mine]))
        pairs.tree_probabilities(levels_BD)
    return (time.perf_counter() - begun) / len(starts)


def _parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.workers",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--sizes", nargs="+", choices=tuple(ALL_SIZES), default=list(ALL_SIZES))
    parser.add_argument("--workers", nargs="+", type=int, default=[2, 4], metavar="N")
    return parser.parse_args()


if __name__ == "__main__":
    main()
