"""The sparsity loss alone: whether it is there, its weight, its p and its norm (Eq. 7, Fig. 4).

Without the loss neither p nor the norm matters, so they are searched only where its weight is above
0. The weights are a list for that reason: a log scale has no 0. With p = 0 there is no loss either.
"""

from optuna.distributions import CategoricalDistribution, FloatDistribution

from search_spaces._space import Condition, Space

_WITH_PENALTY = Condition(key="sparsity_weight", holds=lambda weight: weight > 0)

SPACE = Space(
    varies={
        "sparsity_weight": CategoricalDistribution((0.0, 1e-4, 3e-4, 1e-3, 3e-3, 1e-2)),
        "mask_probability": FloatDistribution(0.1, 1.0, step=0.1),
        "sparsity_norm": CategoricalDistribution(("l1", "l2")),
    },
    first={"sparsity_weight": 1e-3, "mask_probability": 0.5, "sparsity_norm": "l1"},
    only_if={"mask_probability": _WITH_PENALTY, "sparsity_norm": _WITH_PENALTY},
)
