"""Number of features and of bits (Fig. 2): every point is a grid of twelve.

Larger layers have more candidates for Eq. 3, so their fidelity is compared with that of the same
network before training (`gain`), never raw.
"""

from optuna.distributions import CategoricalDistribution

from search_spaces._space import Space

SPACE = Space(
    varies={
        "feature_dim": CategoricalDistribution((32, 64, 128, 256)),
        "num_bits": CategoricalDistribution((2, 4, 8)),
    },
    first={"feature_dim": 128, "num_bits": 4},
)
