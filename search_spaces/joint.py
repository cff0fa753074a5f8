"""The joint space: loss weights, mask, norm, feature dimension and bits (sections 5 and 6).

Only the ratios of the three weights matter, up to the step size: a decade each way. Eq. 7 sums over
n features of up to 2^r - 1, so the useful scale of its weight is far below 1.
"""

from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

from search_spaces._space import Space

SPACE = Space(
    varies={
        "label_weight": FloatDistribution(0.2, 20.0, log=True),
        "tree_weight": FloatDistribution(0.1, 10.0, log=True),
        "sparsity_weight": FloatDistribution(1e-5, 1e-1, log=True),
        "mask_probability": FloatDistribution(0.0, 1.0),
        "sparsity_norm": CategoricalDistribution(("l1", "l2")),
        # The paper's Fig. 2 compares 256, 512 and 1024; small images need less.
        "feature_dim": CategoricalDistribution((64, 128, 256, 512, 1024)),
        # The paper's Fig. 2 compares 2, 4 and 8.
        "num_bits": IntDistribution(2, 8),
    },
    # The paper's setting (section 6).
    first={
        "label_weight": 2.0,
        "tree_weight": 1.0,
        "sparsity_weight": 0.001,
        "mask_probability": 0.5,
        "sparsity_norm": "l1",
        "feature_dim": 1024,
        "num_bits": 4,
    },
)
