"""Random problems for the tree, with ties, empty levels, pure nodes and classes without mass."""

import numpy as np
import numpy.typing as npt
from hypothesis import strategies as st

Floats = npt.NDArray[np.float64]
Levels = npt.NDArray[np.int64]
Problem = tuple[Levels, Floats, int]


def random_problem(
    seed: int, *, num_samples: int, num_features: int, num_classes: int, bits: int, labels: str
) -> Problem:
    """Levels (N, D), labels (N, K) on the simplex, number of levels."""
    generator = np.random.default_rng(seed)
    num_levels = 2**bits
    # Some features use few of the levels, some a single one.
    spans_D = generator.integers(1, num_levels + 1, size=num_features)
    levels_ND = generator.integers(0, spans_D, size=(num_samples, num_features))
    if num_features > 2:
        levels_ND[:, -1] = num_levels - 1 - levels_ND[:, 0]
    if labels == "hard":
        classes_N = generator.integers(0, max(1, num_classes - 1), size=num_samples)
        return levels_ND, np.eye(num_classes)[classes_N], num_levels
    if labels == "learnable":
        classes_N = levels_ND.sum(axis=1) % num_classes
        return levels_ND, 0.9 * np.eye(num_classes)[classes_N] + 0.1 / num_classes, num_levels
    concentration = {"soft": 1.0, "sharp": 0.05, "nearly uniform": 1e4}[labels]
    labels_NK = generator.dirichlet(np.full(num_classes, concentration), size=num_samples)
    return levels_ND, labels_NK, num_levels


problems = st.builds(
    random_problem,
    st.integers(0, 2**32 - 1),
    num_samples=st.integers(1, 300),
    num_features=st.integers(1, 20),
    num_classes=st.integers(1, 40),
    bits=st.integers(1, 8),
    labels=st.sampled_from(["hard", "learnable", "soft", "sharp", "nearly uniform"]),
)


def entropy(distribution_NK: Floats) -> Floats:
    """In bits, by numpy's logarithm."""
    positive = distribution_NK > 0
    logs = np.log2(distribution_NK, out=np.zeros_like(distribution_NK), where=positive)
    return -(distribution_NK * logs).sum(axis=-1)
