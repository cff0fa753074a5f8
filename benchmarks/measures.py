"""Seconds of each measure and control beside fidelity.

    python -m benchmarks.measures                 # the size of CUB
    python -m benchmarks.measures --feature-dim 256 --repeats 5

Takes about half a minute at the default size; the ceiling's logistic regressions take most of it.
Choices are made on the split that is scored, which is larger than minival. Attributes follow a
feature each, more or less, so that coalitions grow and regressions have something to find.
"""

import argparse
import statistics
import time
from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from core.data import counterfactual_pairs
from core.fidelity import (
    Counterfactuals,
    chance_corrected_f1,
    class_detector,
    class_independence,
    coalitions,
    counterfactual_switch,
    distinct_features,
    fidelity,
    matched_predictions,
    matthews_correlation,
    measures,
    one_to_one,
    shuffled,
    shuffled_within_classes,
    sldd_alignment,
    supervised_ceiling,
    within_class_gain,
)

Bools = npt.NDArray[np.bool_]
Levels = npt.NDArray[np.uint8]
Labels = npt.NDArray[np.int64]


def main() -> None:
    arguments = _parse_arguments()
    num_levels = arguments.num_levels
    rng = np.random.default_rng(arguments.seed)
    attributes_NA, levels_ND, labels_N = _split(arguments, arguments.num_samples, rng)
    train_attributes, train_levels, _ = _split(arguments, arguments.num_train, rng)
    split, train = (attributes_NA, levels_ND), (train_attributes, train_levels)
    said_NA = matched_predictions(*split, num_levels=num_levels)
    half = len(labels_N) // 2
    pairs = Counterfactuals(
        before_attributes_PA=attributes_NA[:half],
        after_attributes_PA=~attributes_NA[:half],
        before_levels_PD=levels_ND[:half],
        after_levels_PD=levels_ND[half : 2 * half],
    )

    print(
        f"{len(levels_ND)} samples, {len(train_levels)} of train, {levels_ND.shape[1]} features, "
        f"{num_levels} levels, {attributes_NA.shape[1]} attributes, "
        f"{arguments.num_classes} classes; seconds, median of {arguments.repeats}"
    )
    timed: dict[str, Callable[[], object]] = {
        "fidelity itself": lambda: fidelity(*split, num_levels=num_levels),
        "one-to-one": lambda: one_to_one(*split, num_levels=num_levels),
        "distinct features": lambda: distinct_features(*split, num_levels=num_levels),
        "coalitions": lambda: coalitions(*split, num_levels=num_levels),
        "matched predictions": lambda: matched_predictions(*split, num_levels=num_levels),
        "chance-corrected F1": lambda: chance_corrected_f1(attributes_NA, said_NA),
        "Matthews' correlation": lambda: matthews_correlation(attributes_NA, said_NA),
        "class independence": lambda: class_independence(levels_ND, labels_N),
        "gain within classes": lambda: within_class_gain(attributes_NA, said_NA, labels_N),
        f"switch, {half} pairs": lambda: counterfactual_switch(
            pairs, *split, num_levels=num_levels
        ),
        "SLDD alignment": lambda: sldd_alignment(*train, num_levels=num_levels),
        "all measures at once": lambda: measures(
            *split, labels_N, num_levels=num_levels, train=train, counterfactuals=pairs
        ),
        "shuffled": lambda: shuffled(*split, num_levels=num_levels),
        "shuffled in classes": lambda: shuffled_within_classes(
            *split, labels_N, num_levels=num_levels
        ),
        "class detector": lambda: class_detector(attributes_NA, labels_N, num_levels=num_levels),
        "supervised ceiling": lambda: supervised_ceiling(
            *split, num_levels=num_levels, train=train
        ),
        "320 pairs of field_guide": lambda: counterfactual_pairs("field_guide"),
    }
    for name, call in timed.items():
        _report(name, call, arguments.repeats)


def _report(name: str, call: Callable[[], object], repeats: int) -> None:
    seconds = []
    for _ in range(repeats):
        start = time.perf_counter()
        call()
        seconds.append(time.perf_counter() - start)
    print(
        f"  {name:<26}{statistics.median(seconds):8.3f}  "
        f"(fastest {min(seconds):.3f}, slowest {max(seconds):.3f})",
        flush=True,
    )


def _split(
    arguments: argparse.Namespace, num_samples: int, rng: np.random.Generator
) -> tuple[Bools, Levels, Labels]:
    """Sparse levels, and attributes that hold mostly where a feature is above 0."""
    shape = num_samples, arguments.feature_dim
    levels_ND = rng.integers(1, arguments.num_levels, size=shape, dtype=np.uint8)
    levels_ND *= rng.random(shape) < 0.15
    follows_NA = levels_ND[:, np.arange(arguments.num_attributes) % arguments.feature_dim] > 0
    attributes_NA = np.where(
        rng.random(follows_NA.shape) < 0.6, follows_NA, rng.random(follows_NA.shape) < 0.1
    )
    labels_N = rng.integers(arguments.num_classes, size=num_samples)
    return attributes_NA, levels_ND, labels_N


def _parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--num-samples", type=int, default=5794)
    parser.add_argument("--num-train", type=int, default=5994)
    parser.add_argument("--feature-dim", type=int, default=1024)
    parser.add_argument("--num-levels", type=int, default=16, help="2 to 256")
    parser.add_argument("--num-attributes", type=int, default=312)
    parser.add_argument("--num-classes", type=int, default=200)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--seed", type=int, default=0)
    return parser.parse_args()


if __name__ == "__main__":
    main()
