"""CPU seconds that CUB's attribute lines take to read, in bulk and line by line.

    python -m benchmarks.reading

Writes a file of the archive's size into a temporary folder (3,677,856 lines, 75 MB; the lines of
images 2275 and 9364 have a further column and a double space), and reads it both ways. Takes about
half a minute. Reading uses one core.
"""

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from core.data.archives.cub_attributes import read_attribute_labels, read_line_by_line
from core.data.archives.files import Layout

NUM_IMAGES = 11788
NUM_ATTRIBUTES = 312
_ODD_IMAGES = (2275, 9364)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--images", type=int, default=NUM_IMAGES, help=f"default: {NUM_IMAGES}")
    parser.add_argument("--repeats", type=int, default=3, help="default: 3")
    options = parser.parse_args()
    images, attributes = range(1, options.images + 1), range(1, NUM_ATTRIBUTES + 1)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "image_attribute_labels.txt"
        _write(path, images)
        layout = Layout("the generated file", "")
        bulk = _seconds(
            lambda: read_attribute_labels(path, images, attributes, layout), options.repeats
        )
        by_line = _seconds(
            lambda: read_line_by_line(path.read_bytes(), path, images, attributes), 1
        )
    print(f"{options.images * NUM_ATTRIBUTES} lines, CPU time in bulk: {bulk:.2f} s")
    print(f"line by line: {by_line:.2f} s, {by_line / bulk:.1f} times as long")


def _write(path: Path, images: Sequence[int]) -> None:
    generator = np.random.default_rng(0)
    with path.open("w") as file:
        for image in images:
            present_A = generator.random(NUM_ATTRIBUTES) < 0.1
            certainty_A = generator.integers(1, 5, NUM_ATTRIBUTES)
            end = "0  1.509" if image in _ODD_IMAGES else "27.7080"
            file.writelines(
                f"{image} {attribute} {present:d} {certainty} {end}\n"
                for attribute, (present, certainty) in enumerate(
                    zip(present_A.tolist(), certainty_A.tolist(), strict=True), start=1
                )
            )


def _seconds(read: Callable[[], object], repeats: int) -> float:
    times = []
    for _ in range(repeats):
        start = time.process_time()
        read()
        times.append(time.process_time() - start)
    return statistics.median(times)


if __name__ == "__main__":
    main()
