"""What a search maximises and where it searches, in the form that its run in MLflow keeps."""

import json
from collections.abc import Mapping

from optuna.distributions import BaseDistribution, distribution_to_json, json_to_distribution

from sweep.tracking import metrics

OBJECTIVES = {
    "minival-accuracy": metrics.MINIVAL_ACCURACY,
    "oracle-fidelity": metrics.FIDELITY_SCORE,
}
"""What is maximised, by the flag's word."""

SAMPLERS = ("tpe", "random")
"""How points are suggested, by the flag's word."""

SPACE_FILE = "space.json"


def space_to_json(space: Mapping[str, BaseDistribution]) -> str:
    """Return the form that MLflow keeps as an artifact."""
    return json.dumps({key: json.loads(distribution_to_json(d)) for key, d in space.items()})


def space_from_json(text: str) -> dict[str, BaseDistribution]:
    """Read `space_to_json`'s form."""
    return {key: json_to_distribution(json.dumps(d)) for key, d in json.loads(text).items()}
