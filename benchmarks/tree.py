"""Growing T: this project's growers against scikit-learn, XGBoost and the plain version.

    python -m benchmarks.tree                      # the sizes of CUB and aYahoo, three minutes
    python -m benchmarks.tree --sizes ayahoo --skip plain xgboost

For each size and phase of training it times one tree over the whole of S', and the trees of an
epoch, one a step, as Alg. 1 grows them. Times are medians of several calls; an epoch of fits from
scratch is estimated from a sample of its steps. XGBoost is in the extra `bench`. The table is
written as Parquet, the cost of a step against the rows of S' as a figure.
"""

import argparse
import functools
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet
from matplotlib.figure import Figure
from sklearn.tree import DecisionTreeRegressor

from benchmarks.features import NUM_LEVELS, SIZES, Size, make_pairs
from core.tree import GrowingTree, fit_tree

Levels = npt.NDArray[np.uint8]
Labels = npt.NDArray[np.float32]
DEPTH = 8
SAMPLED_STEPS = 6


@dataclass(frozen=True, kw_only=True)
class Row:
    size: str
    phase: str
    work: str
    """"one tree" or "epoch"."""
    grower: str
    seconds: float
    ratio: float
    """scikit-learn's poisson tree takes this many times as long."""


def main() -> None:
    arguments = _parse_arguments()
    rows: list[Row] = []
    steps: dict[tuple[str, str], npt.NDArray[np.float64]] = {}
    for name in arguments.sizes:
        size = SIZES[name]
        for phase in ("early", "late"):
            levels_ND, labels_NK = make_pairs(size, phase=phase, alike=arguments.alike)
            growers = _growers(size, arguments.skip)
            seconds = {
                grower: _median(functools.partial(fit, levels_ND, labels_NK), repeats)
                for grower, (fit, repeats) in growers.items()
            }
            rows += _rows(name, phase, "one tree", seconds)
            steps[name, phase] = _grow_epoch(size, levels_ND, labels_NK)
            epoch = {
                "scikit-learn poisson": _sampled_epoch(
                    size, levels_ND, labels_NK, growers["scikit-learn poisson"][0]
                ),
                "fit_tree": _sampled_epoch(size, levels_ND, labels_NK, growers["fit_tree"][0]),
                "GrowingTree": float(steps[name, phase].sum()),
            }
            rows += _rows(name, phase, "epoch", epoch)
            for row in rows[-len(seconds) - len(epoch) :]:
                print(
                    f"{row.size:7} {row.phase:5} {row.work:8} {row.grower:27} "
                    f"{row.seconds:10.3f} s {row.ratio:8.1f} x",
                    flush=True,
                )
    arguments.output.mkdir(parents=True, exist_ok=True)
    table = arguments.output / "tree.parquet"
    pa.parquet.write_table(pa.Table.from_pylist([asdict(row) for row in rows]), table)
    figure = _draw(steps, arguments.output / "tree.png")
    print(f"Written: {table}\nWritten: {figure}")


def _growers(
    size: Size, skip: list[str]
) -> dict[str, tuple[Callable[[Levels, Labels], object], int]]:
    """Name to function and number of timed calls."""

    def ours(levels_ND: Levels, labels_NK: Labels) -> object:
        return fit_tree(levels_ND, labels_NK, num_levels=NUM_LEVELS, max_depth=DEPTH)

    def squared(levels_ND: Levels, labels_NK: Labels) -> object:
        return fit_tree(
            levels_ND, labels_NK, num_levels=NUM_LEVELS, max_depth=DEPTH, criterion="squared_error"
        )

    def plain(levels_ND: Levels, labels_NK: Labels) -> object:
        return fit_tree(
            levels_ND, labels_NK, num_levels=NUM_LEVELS, max_depth=DEPTH, grower="plain"
        )

    def sklearn(criterion: str) -> Callable[[Levels, Labels], object]:
        return lambda levels_ND, labels_NK: DecisionTreeRegressor(
            criterion=criterion, max_depth=DEPTH
        ).fit(levels_ND, labels_NK)

    growers: dict[str, tuple[Callable[[Levels, Labels], object], int]] = {
        "scikit-learn poisson": (sklearn("poisson"), 3),
        "scikit-learn squared_error": (sklearn("squared_error"), 1),
        "fit_tree": (ours, 15),
        "fit_tree squared_error": (squared, 15),
    }
    if "plain" not in skip:
        growers["fit_tree plain numpy"] = (plain, 1)
    if "xgboost" not in skip:
        growers["XGBoost hist"] = (_xgboost(), 1)
    small = np.zeros((2, size.num_features), dtype=np.uint8)
    # The first call compiles, or loads what an earlier run compiled.
    for fit, _ in (growers["fit_tree"], growers["fit_tree squared_error"]):
        fit(small, np.eye(2, size.num_classes, dtype=np.float32))
    return growers


def _xgboost() -> Callable[[Levels, Labels], object]:
    try:
        import xgboost
    except ImportError:
        sys.exit(
            "XGBoost is not installed: pip install -c constraints.txt -e '.[bench]', or give "
            "--skip xgboost."
        )

    def fit(levels_ND: Levels, labels_NK: Labels) -> object:
        model = xgboost.XGBRegressor(
            n_estimators=1,
            max_depth=DEPTH,
            tree_method="hist",
            multi_strategy="multi_output_tree",
            max_bin=NUM_LEVELS,
            learning_rate=1.0,
        )
        return model.fit(levels_ND, labels_NK)

    return fit


def _grow_epoch(size: Size, levels_ND: Levels, labels_NK: Labels) -> npt.NDArray[np.float64]:
    """Seconds of each step, with the tree asked for after each."""
    growing = GrowingTree(
        num_features=size.num_features,
        num_classes=size.num_classes,
        num_levels=NUM_LEVELS,
        max_depth=DEPTH,
    )
    seconds = []
    for start in range(0, size.num_samples, size.batch_size):
        rows = slice(start, start + size.batch_size)
        begun = time.perf_counter()
        growing.add(levels_ND[rows], labels_NK[rows])
        growing.tree()
        seconds.append(time.perf_counter() - begun)
    if growing.tree() != fit_tree(levels_ND, labels_NK, num_levels=NUM_LEVELS, max_depth=DEPTH):
        raise AssertionError("Both growers must give the same tree.")
    return np.array(seconds)


def _sampled_epoch(
    size: Size, levels_ND: Levels, labels_NK: Labels, fit: Callable[[Levels, Labels], object]
) -> float:
    """Seconds of an epoch of fits from scratch, from evenly spread ones."""
    num_steps = -(-size.num_samples // size.batch_size)
    # The middles of equal parts of the epoch, whose mean is that of the whole if time is linear.
    stops = (np.arange(SAMPLED_STEPS) + 0.5) / SAMPLED_STEPS * size.num_samples
    seconds = []
    for stop in stops.astype(int):
        begun = time.perf_counter()
        fit(levels_ND[:stop], labels_NK[:stop])
        seconds.append(time.perf_counter() - begun)
    return statistics.fmean(seconds) * num_steps


def _median(call: Callable[[], object], repeats: int) -> float:
    seconds = []
    for _ in range(repeats):
        begun = time.perf_counter()
        call()
        seconds.append(time.perf_counter() - begun)
    return statistics.median(seconds)


def _rows(size: str, phase: str, work: str, seconds: dict[str, float]) -> list[Row]:
    base = seconds["scikit-learn poisson"]
    return [
        Row(size=size, phase=phase, work=work, grower=name, seconds=value, ratio=base / value)
        for name, value in seconds.items()
    ]


def _draw(steps: dict[tuple[str, str], npt.NDArray[np.float64]], path: Path) -> Path:
    figure = Figure(figsize=(6.4, 4), layout="constrained")
    axes = figure.subplots()
    for (name, phase), seconds in steps.items():
        size = SIZES[name]
        rows = np.minimum(np.arange(1, len(seconds) + 1) * size.batch_size, size.num_samples)
        # Medians of ten steps, for steps that change the top of the tree stand out.
        parts = np.array_split(np.arange(len(seconds)), max(1, len(seconds) // 10))
        axes.plot(
            [rows[part].mean() for part in parts],
            [1e3 * float(np.median(seconds[part])) for part in parts],
            label=f"{name}, {phase}",
        )
    axes.set_xlabel("rows of S'")
    axes.set_ylabel("GrowingTree, ms a step")
    axes.set_ylim(bottom=0)
    axes.grid(alpha=0.25)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False)
    figure.savefig(path, dpi=150)
    return path


def _parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.tree",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--sizes", nargs="+", choices=tuple(SIZES), default=list(SIZES))
    parser.add_argument("--skip", nargs="+", choices=("plain", "xgboost"), default=[])
    parser.add_argument("--alike", action="store_true", help="features that are equally good")
    parser.add_argument("--output", type=Path, default=Path("runs/benchmarks"), metavar="DIR")
    return parser.parse_args()


if __name__ == "__main__":
    main()
