"""Generated features and labels in the shape of a trained network's, for benchmarks.

Classes have latent attributes. A feature responds to a few of them, with a strength of its own, and
is cut off at 0 like the output of a ReLU: about seven levels in ten are 0. Labels are the softmax
of logits that favour a class and those that share its attributes.

Shape letters: N samples, D features, K classes, A latent attributes.
"""

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

Phase = Literal["early", "late"]
NUM_LEVELS = 16
_NUM_ATTRIBUTES = 60


@dataclass(frozen=True, kw_only=True)
class Size:
    """The shape of S' over one epoch of a dataset of the paper."""

    num_samples: int
    num_features: int
    num_classes: int
    batch_size: int = 16


SIZES = {
    "cub": Size(num_samples=5994, num_features=1024, num_classes=200),
    "ayahoo": Size(num_samples=1850, num_features=1024, num_classes=12),
}


def make_pairs(
    size: Size, *, phase: Phase, alike: bool = False, seed: int = 0
) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.float32]]:
    """(N, D) levels and (N, K) labels.

    Parameters
    ----------
    phase
        "early": labels are spread, as at the start of training; "late": they are nearly one-hot.
    alike
        All features are equally good noise around class means, which no tree can tell apart well:
        the hardest case for a tree that is brought up to date.
    """
    generator = np.random.default_rng(seed)
    shape = (size.num_samples, size.num_features)
    classes_N = generator.integers(0, size.num_classes, size.num_samples)
    prevalence_A = generator.uniform(0.05, 0.5, _NUM_ATTRIBUTES)
    attributes_KA = generator.random((size.num_classes, _NUM_ATTRIBUTES)) < prevalence_A
    if alike:
        means_KD = generator.normal(size=(size.num_classes, size.num_features))
        values_ND = means_KD[classes_N] + generator.normal(size=shape) + 4
        levels_ND = values_ND / 8 * NUM_LEVELS
    else:
        weights_AD = generator.normal(size=(_NUM_ATTRIBUTES, size.num_features))
        weights_AD *= generator.random(weights_AD.shape) < 0.06
        strength_D = generator.lognormal(0, 0.7, size.num_features)
        values_ND = (attributes_KA[classes_N] @ weights_AD) * strength_D
        values_ND += 0.8 * generator.normal(size=shape) - 0.5
        values_ND = values_ND.clip(min=0)
        levels_ND = np.rint(values_ND / values_ND.max(axis=0) * (NUM_LEVELS - 1))
    return levels_ND.clip(0, NUM_LEVELS - 1).astype(np.uint8), _labels(
        classes_N, attributes_KA, generator, phase
    )


def _labels(
    classes_N: npt.NDArray[np.int64],
    attributes_KA: npt.NDArray[np.bool_],
    generator: np.random.Generator,
    phase: Phase,
) -> npt.NDArray[np.float32]:
    num_classes = len(attributes_KA)
    alike_KK = (attributes_KA[:, None] == attributes_KA[None]).mean(axis=2)
    likeness, own = {"early": (6.0, 0.2), "late": (9.0, 7.0)}[phase]
    if phase == "early":
        # Among few classes as much likeness would leave little doubt.
        likeness *= (math.log(num_classes) / math.log(200)) ** 2
    logits_NK = generator.normal(size=(len(classes_N), num_classes))
    logits_NK += 2 * likeness * (alike_KK[classes_N] - 0.6)
    logits_NK[np.arange(len(classes_N)), classes_N] += own
    odds_NK = np.exp(logits_NK - logits_NK.max(axis=1, keepdims=True))
    probabilities_NK: npt.NDArray[np.float32] = (
        odds_NK / odds_NK.sum(axis=1, keepdims=True)
    ).astype(np.float32)
    return probabilities_NK
