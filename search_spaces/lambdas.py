"""The three weights of Algorithm 1's losses, each over two decades and more (section 6).

Everything else stays as the preset has it. The paper prints one setting: lambda_1 = 2, lambda_2 = 1
and lambda_3 = 0.001. How far may it be moved?
"""

from optuna.distributions import FloatDistribution

from search_spaces._space import Space

SPACE = Space(
    varies={
        "label_weight": FloatDistribution(0.2, 20.0, log=True),
        "tree_weight": FloatDistribution(0.1, 10.0, log=True),
        "sparsity_weight": FloatDistribution(1e-5, 1e-1, log=True),
    },
    first={"label_weight": 2.0, "tree_weight": 1.0, "sparsity_weight": 0.001},
)
