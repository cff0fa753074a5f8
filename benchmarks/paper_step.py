"""A step of Alg. 1 as the paper runs it: PMG on ResNet-50, 448 pixels, batches of 16.

    python -m benchmarks.paper_step                # about five minutes on two cores
    python -m benchmarks.paper_step --steps 1 --estimate-only
    python -m benchmarks.paper_step --device cuda --steps 40 --loader-workers 8 --precision bf16

Times a few steps on generated JPEGs with CUB's 200 classes and 1024 features, packed and loaded as
a real dataset would be, from random weights, which cost the same. S' is then still small: what T
costs over an epoch is `benchmarks.tree`'s to say.

Then it estimates the network's part of an epoch on one GPU for the paper's four datasets. An
estimate, not a measurement: counted floating-point operations over a share of the GPU's peak. T
grows on the processor beside it, so its part of an epoch is what `benchmarks.tree` measures.
"""

import argparse
import resource
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch.utils.flop_counter import FlopCounterMode

from core.config import TrainConfig, preset_config
from core.data import Dataset, load_dataset
from core.data.archives import Archive
from core.data.loader import BatchStream
from core.data.packed import pack
from core.methods import create_state
from core.model import IntersectionModel, build_model
from core.training import fit

CONFIG = preset_config("cub").replace({"weights": None, "num_epochs": 2, "drops_to_stop": None})
NUM_CLASSES = 200
SHAPES = ((375, 500), (500, 400), (333, 500))

TRAINING_SETS = {"aYahoo": (1850, 7), "aPascal": (2869, 10), "AwA2": (26125, 60), "CUB": (5994, 60)}
"""Samples, and the paper's minutes an epoch on three GeForce RTX 3090, its trees included."""


def main() -> None:
    arguments = _parse_arguments()
    torch.set_num_threads(arguments.threads)
    torch.backends.cudnn.allow_tf32 = not arguments.no_tf32
    if not arguments.estimate_only:
        with tempfile.TemporaryDirectory() as folder:
            changes = {"precision": arguments.precision, "channels_last": arguments.channels_last}
            config = CONFIG.replace(changes)
            dataset = _dataset(Path(folder), arguments.steps, arguments.loader_workers)
            _time_steps(config, dataset, arguments.device)
    _estimate(arguments.gpu_teraflops, arguments.share_of_peak)


def _time_steps(config: TrainConfig, dataset: Dataset, device: str) -> None:
    """Print the seconds of a step of the second epoch, by part.

    A step reads its losses, so a GPU has done its work when a part ends.
    """
    state = create_state(config, in_channels=3, num_classes=NUM_CLASSES, device=device)
    steps = BatchStream(dataset.train, batch_size=config.batch_size, seed=0).num_batches
    where = torch.cuda.get_device_name(device) if device != "cpu" else "CPU"
    print(
        f"{len(dataset.train)} images, {steps} steps an epoch, from random weights, "
        f"{config.precision} on {where}"
    )
    for result in fit(state, dataset):
        seconds = {part: total / steps for part, total in result.seconds.items()}
    for part in ("data", "network", "tree"):
        print(f"{part:8} {seconds[part]:7.3f} s a step")
    if device != "cpu":
        print(f"peak GPU memory {torch.cuda.max_memory_allocated(device) / 1e9:.1f} GB")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    print(f"peak memory {peak / 1e9:.1f} GB, loader processes aside")


def _estimate(teraflops: float, share: float) -> None:
    flops = _training_flops(CONFIG)
    print(
        f"\nEstimate for one GPU of {teraflops:g} TFLOP/s, of which {100 * share:g} % are reached; "
        f"counted: {flops / 1e9:.0f} GFLOP an image, forward and backward"
    )
    print(f"{'set':8} {'network min':>12} {'paper, 3 GPUs, with trees':>26}")
    for name, (samples, paper) in TRAINING_SETS.items():
        network = samples * flops / (teraflops * 1e12 * share) / 60
        print(f"{name:8} {network:12.1f} {paper:26}")


def _training_flops(config: TrainConfig) -> float:
    """Floating-point operations for one image, counted by torch on a pass of two."""
    model: IntersectionModel = build_model(config, in_channels=3, num_classes=NUM_CLASSES)
    size = config.crop_size or 0
    with FlopCounterMode(display=False) as counter:
        model(torch.zeros(2, 3, size, size)).logits_BK.sum().backward()
    total: int = counter.get_total_flops()
    return total / 2


def _dataset(folder: Path, steps: int, loader_workers: int) -> Dataset:
    """Generated pictures, packed, with so many whole steps of training images."""
    generator = np.random.default_rng(0)
    num_train = steps * CONFIG.batch_size
    count = num_train + -(-num_train // 9) + 2
    files = []
    for row in range(count):
        coarse = generator.integers(0, 256, size=(12, 12, 3), dtype=np.uint8)
        height, width = SHAPES[row % len(SHAPES)]
        file = f"{row:04d}.jpg"
        Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC).save(
            folder / file, quality=90
        )
        files.append(file)
    archive = Archive(
        name="cub",
        root=folder,
        class_names=tuple(str(k) for k in range(NUM_CLASSES)),
        attribute_names=(),
        files=tuple(files),
        boxes_N4=None,
        crops=False,
        labels_N=np.arange(count) % 2,
        is_test_N=np.arange(count) >= count - 2,
        attributes_NA=np.zeros((count, 0), dtype=np.bool_),
        attributes_per_class=False,
    )
    pack(archive, folder / "packed", shorter_side=None, num_workers=1)
    return load_dataset(
        "cub", data=folder / "packed", images=CONFIG.image_options, loader_workers=loader_workers
    )


def _parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.paper_step",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--steps", type=int, default=3, help="of an epoch (default: 3)")
    parser.add_argument("--threads", type=int, default=2, help="of torch (default: 2)")
    parser.add_argument("--device", default="cpu", help="of torch (default: cpu)")
    parser.add_argument("--precision", choices=["fp32", "bf16"], default="fp32")
    parser.add_argument("--channels-last", action="store_true", help="see TrainConfig")
    parser.add_argument("--no-tf32", action="store_true", help="convolutions in full float32")
    parser.add_argument("--loader-workers", type=int, default=2, help="processes (default: 2)")
    parser.add_argument("--estimate-only", action="store_true", help="count, and time nothing")
    parser.add_argument(
        "--gpu-teraflops",
        type=float,
        default=35.6,
        metavar="N",
        help="peak of the GPU at the precision used (default: 35.6, an RTX 3090 at float32)",
    )
    parser.add_argument(
        "--share-of-peak", type=float, default=0.4, metavar="X", help="reached (default: 0.4)"
    )
    return parser.parse_args()


if __name__ == "__main__":
    begun = time.perf_counter()
    main()
    print(f"{time.perf_counter() - begun:.0f} s in all")
