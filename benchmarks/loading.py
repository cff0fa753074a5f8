"""A packed dataset against torchvision's ImageFolder, both with two DataLoader workers.

    python -m benchmarks.loading

The same generated JPEGs of about 500 pixels, resized to 550 and cropped to 448, in batches of 16.
`ImageFolder` takes its transforms in two ways: on tensors, which gives the very same pixels, and on
Pillow's images, its default, whose own resizing differs by one level here and there. `bare` is
decoding and transforms alone, in two processes that hand nothing on. Every round runs all of them
in turn; rates and ratios are medians over the rounds.
"""

import argparse
import io
import multiprocessing
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from multiprocessing.synchronize import Barrier
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.utils.data import DataLoader, Subset
from torchvision.datasets import ImageFolder
from torchvision.transforms import v2

from core.config import ImageOptions
from core.data import Split, load_dataset
from core.data.archives import Archive
from core.data.packed import pack

NUM_CLASSES, NUM_WORKERS, BATCH_SIZE = 8, 2, 16
SHAPES = ((375, 500), (500, 400), (333, 500))
OPTIONS = ImageOptions(resize_size=550, crop_size=448)
ON_TENSORS = v2.Compose([v2.PILToTensor(), v2.Resize(550), v2.CenterCrop(448)])
ON_IMAGES = v2.Compose([v2.Resize(550), v2.CenterCrop(448), v2.PILToTensor()])


def main() -> None:
    arguments = _parse_arguments()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        archive = _generate(Path(folder) / "images", arguments.images)
        pack(archive, Path(folder) / "packed", shorter_side=None, num_workers=1)
        test = np.flatnonzero(archive.is_test_N).tolist()

        def split(num_workers: int) -> Split:
            root = Path(folder) / "packed"
            return load_dataset("cub", data=root, images=OPTIONS, loader_workers=num_workers).test

        packed = split(NUM_WORKERS)
        runs: dict[str, Callable[[], float]] = {
            "packed": lambda: _seconds(_packed_batches(packed)),
            "bare": _Bare(split(0)),
        }
        for name, transform in (("on tensors", ON_TENSORS), ("on images", ON_IMAGES)):
            loader = _image_folder(archive.root, test, transform)
            _compare(packed, loader, name)
            runs[f"ImageFolder, {name}"] = lambda loader=loader: _seconds(_images(loader))  # type: ignore[misc]
        rates = _measure(runs, len(test), arguments.rounds)
    medians = {name: statistics.median(of_run) for name, of_run in rates.items()}
    for name, rate in medians.items():
        print(f"{name:24} {rate:7.0f} images/s")
    for name in list(medians)[1:]:
        print(f"packed / {name:24} {medians['packed'] / medians[name]:5.2f}")


def _measure(
    runs: dict[str, Callable[[], float]], num_images: int, rounds: int
) -> dict[str, list[float]]:
    for run in runs.values():
        run()  # starts workers, fills the page cache
    rates: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(rounds):
        for name, run in runs.items():
            rates[name].append(num_images / run())
    return rates


def _seconds(batches: Iterator[Tensor]) -> float:
    start = time.perf_counter()
    for images_BCHW in batches:
        images_BCHW[-1, -1, -1, -1].item()
    return time.perf_counter() - start


def _packed_batches(split: Split) -> Iterator[Tensor]:
    rows = np.arange(len(split))
    return split.images.batches([rows[at : at + BATCH_SIZE] for at in rows[::BATCH_SIZE]])


def _image_folder(
    root: Path, rows: Sequence[int], transform: v2.Compose
) -> DataLoader[tuple[Tensor, Tensor]]:
    dataset = Subset(ImageFolder(str(root), transform), rows)
    return DataLoader(
        dataset, batch_size=BATCH_SIZE, num_workers=NUM_WORKERS, persistent_workers=True
    )


def _images(loader: DataLoader[tuple[Tensor, Tensor]]) -> Iterator[Tensor]:
    return (images_BCHW for images_BCHW, _ in loader)


def _compare(split: Split, loader: DataLoader[tuple[Tensor, Tensor]], name: str) -> None:
    """Print how the pixels of the two agree."""
    different, values, largest = 0, 0, 0
    for ours, theirs in zip(_packed_batches(split), _images(loader), strict=True):
        difference = (ours.int() - theirs.int()).abs()
        different += int((difference > 0).sum())
        values += difference.numel()
        largest = max(largest, int(difference.max()))
    print(f"pixels, ImageFolder {name}: {different / values:.2%} differ, by at most {largest}")


class _Bare:
    """Decoding and transforms alone, in processes that wait for a start and report its end."""

    def __init__(self, split: Split) -> None:
        context = multiprocessing.get_context("fork")
        self._barrier = context.Barrier(NUM_WORKERS + 1)
        for index in range(NUM_WORKERS):
            context.Process(
                target=_decode_part, args=(split, index, self._barrier), daemon=True
            ).start()

    def __call__(self) -> float:
        self._barrier.wait()
        start = time.perf_counter()
        self._barrier.wait()
        return time.perf_counter() - start


def _decode_part(split: Split, index: int, barrier: Barrier) -> None:
    torch.set_num_threads(1)
    rows = np.arange(len(split))
    batches = [rows[at : at + BATCH_SIZE] for at in rows[::BATCH_SIZE]][index::NUM_WORKERS]
    while True:
        barrier.wait()
        for _ in split.images.batches(batches):
            pass
        barrier.wait()


def _generate(root: Path, num_images: int) -> Archive:
    """Smooth pictures with grain, as JPEGs of a photograph's size in bytes."""
    rng = np.random.default_rng(0)
    files = []
    for index in range(num_images):
        height, width = SHAPES[index % len(SHAPES)]
        coarse = rng.integers(0, 256, (height // 16, width // 16, 3), dtype=np.uint8)
        smooth = Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC)
        grainy = np.asarray(smooth) + rng.normal(0, 8, (height, width, 3))
        buffer = io.BytesIO()
        Image.fromarray(grainy.clip(0, 255).astype(np.uint8)).save(buffer, "JPEG", quality=90)
        files.append(f"{index * NUM_CLASSES // num_images:03d}/{index:05d}.jpg")
        path = root / files[-1]
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(buffer.getvalue())
    labels_N = np.arange(num_images) * NUM_CLASSES // num_images
    # Two of each class train, so that the test split is what is measured.
    is_test_N = np.arange(num_images) - np.searchsorted(labels_N, labels_N) >= 2
    return Archive(
        name="cub",
        root=root,
        class_names=tuple(f"{label:03d}" for label in range(NUM_CLASSES)),
        attribute_names=(),
        files=tuple(files),
        boxes_N4=None,
        crops=False,
        labels_N=labels_N,
        is_test_N=is_test_N,
        attributes_NA=np.zeros((num_images, 0), dtype=np.bool_),
        attributes_per_class=False,
    )


def _parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.loading",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--images", type=int, default=480, metavar="N", help="(default: 480)")
    parser.add_argument("--rounds", type=int, default=7, metavar="N", help="(default: 7)")
    return parser.parse_args()


if __name__ == "__main__":
    main()
