"""Step size, batch and weight decay: what any network wants before its losses are weighed."""

from optuna.distributions import CategoricalDistribution, FloatDistribution

from search_spaces._space import Space

SPACE = Space(
    varies={
        "learning_rate": FloatDistribution(1e-4, 0.3, log=True),
        "batch_size": CategoricalDistribution((16, 32, 64)),
        "weight_decay": FloatDistribution(1e-6, 1e-2, log=True),
        "schedule": CategoricalDistribution(("cosine", "constant")),
    },
)
