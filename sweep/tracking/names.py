"""Names for narrow places: columns of MLflow's UI, labels of figures."""

from collections.abc import Mapping
from typing import Any

_SHORT = {
    "mask_probability": "p",
    "sparsity_norm": "norm",
    "learning_rate": "lr",
    "feature_dim": "n",
    "num_bits": "r",
    "label_weight": "λ1",
    "tree_weight": "λ2",
    "sparsity_weight": "λ3",
}
"""The paper's letters and usual abbreviations."""


def short_field(field: str) -> str:
    """Return the letter of a field of TrainConfig, or the field where it has none."""
    return _SHORT.get(field, field)


def short_name(arm: str) -> str:
    """Shorten the fields in an arm's name.

    Examples
    --------
    >>> short_name("sparsity_norm=l1 mask_probability=0.3")
    'norm=l1 p=0.3'
    """
    words = (word.partition("=") for word in arm.split(" "))
    return " ".join(
        f"{_SHORT.get(key, key) if sign else key}{sign}{value}" for key, sign, value in words
    )


def values_name(values: Mapping[str, Any]) -> str:
    """Put values in words, numbers to three digits.

    Examples
    --------
    >>> values_name({"mask_probability": 0.30417, "num_bits": 4})
    'p=0.304 r=4'
    """
    return " ".join(
        f"{short_field(key)}={f'{value:.3g}' if isinstance(value, float) else value}"
        for key, value in values.items()
    )
