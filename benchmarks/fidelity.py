"""Time and memory of one fidelity measurement.

    python -m benchmarks.fidelity                 # the size of CUB's test split
    python -m benchmarks.fidelity --num-levels 256 --repeats 3

Takes about five seconds at the default size. The budget is 2 s and 1 GB on two cores.
"""

import argparse
import resource
import statistics
import sys
import time
import tracemalloc

import numpy as np

from core.fidelity import fidelity

SECONDS_BUDGET = 2.0
BYTES_BUDGET = 1e9


def main() -> None:
    arguments = _parse_arguments()
    generator = np.random.default_rng(arguments.seed)
    levels_ND = generator.integers(
        arguments.num_levels, size=(arguments.num_samples, arguments.feature_dim), dtype=np.uint8
    )
    attributes_NA = (
        generator.random((arguments.num_samples, arguments.num_attributes)) < arguments.prevalence
    )

    # The first call compiles, or loads what an earlier run compiled.
    start = time.perf_counter()
    fidelity(attributes_NA[:2] | True, levels_ND[:2], num_levels=arguments.num_levels)
    first_call = time.perf_counter() - start

    resident_before = _peak_resident_bytes()
    seconds = []
    for _ in range(arguments.repeats):
        start = time.perf_counter()
        result = fidelity(attributes_NA, levels_ND, num_levels=arguments.num_levels)
        seconds.append(time.perf_counter() - start)
    resident_growth = _peak_resident_bytes() - resident_before

    # Traced in a run of its own: tracing takes time.
    tracemalloc.start()
    fidelity(attributes_NA, levels_ND, num_levels=arguments.num_levels)
    _, traced_peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    median = statistics.median(seconds)
    pairs = arguments.num_attributes * arguments.feature_dim * arguments.num_levels * 2
    print(
        f"{arguments.num_samples} samples, {arguments.feature_dim} features, "
        f"{arguments.num_levels} levels, {arguments.num_attributes} attributes: {pairs:.3g} pairs"
    )
    print(f"score {result.score:.4f}, floor {result.floor:.4f}")
    print(
        f"seconds, median of {arguments.repeats}: {median:.3f} (fastest {min(seconds):.3f}, "
        f"slowest {max(seconds):.3f}), {median / SECONDS_BUDGET:.2f} of the budget; "
        f"compiling or loading before that {first_call:.3f}"
    )
    print(
        f"peak extra memory: {traced_peak / 1e6:.0f} MB in arrays "
        f"({traced_peak / BYTES_BUDGET:.3f} of the budget), "
        f"{resident_growth / 1e6:.0f} MB resident"
    )


def _parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--num-samples", type=int, default=5794)
    parser.add_argument("--feature-dim", type=int, default=1024)
    parser.add_argument("--num-levels", type=int, default=16, help="2 to 256")
    parser.add_argument("--num-attributes", type=int, default=312)
    parser.add_argument("--prevalence", type=float, default=0.1, help="of every attribute")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--seed", type=int, default=0)
    return parser.parse_args()


def _peak_resident_bytes() -> int:
    # Linux counts in KiB, macOS in bytes.
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


if __name__ == "__main__":
    main()
