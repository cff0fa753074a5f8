"""The paper's own numbers beside ours, for the arms that are rows of its Table 1.

Its figures are curves and bars without numbers, so Table 1 is all that can be set beside ours.
"""

from collections.abc import Mapping
from typing import Any, Literal

from sweep.report._published import NAMES, Published, published
from sweep.report._report import Level
from sweep.tracking.results import SweepResults

_SETTING = {"feature_dim": 1024, "num_bits": 4, "label_weight": 2.0}
"""Of every row (section 6)."""

_SPARSITY = {"sparsity_weight": 0.001, "mask_probability": 0.5, "sparsity_norm": "l1"}
_ROWS = {(0.0, False): "quantized", (0.0, True): "quantized+l1", (1.0, True): "intersection"}
"""By tree weight, and by whether there is a sparsity loss."""


def printed_values(results: SweepResults) -> dict[str, Published]:
    """By arm, of those that are rows of Table 1 on a data set that it has."""
    return {arm: values for arm, (_, values) in _printed(results).items()}


def printed_levels(results: SweepResults, kind: Literal["accuracy", "fidelity"]) -> list[Level]:
    """Lines at the paper's values, each named as its own; a row's arms have one line."""
    by_row = {row: getattr(values, kind) for row, values in _printed(results).values()}
    return [
        Level(label=f"the paper's Table 1: {NAMES[row]}", y=y, may_lie_outside=True)
        for row, y in by_row.items()
        if y is not None
    ]


def printed_note(results: SweepResults, figure: str) -> str:
    """What the paper printed beside one of its figures, in a line."""
    if _printed(results):
        return f"The paper prints no numbers in its {figure}; those of its Table 1 stand beside."
    where = results.plan.base["dataset"]
    return f"The paper prints no numbers in its {figure}, and none on {where} anywhere."


def _printed(results: SweepResults) -> dict[str, tuple[str, Published]]:
    """Row and values by arm."""
    found = {}
    for arm in results.plan.arms:
        config = {**results.plan.base, **arm.overrides}
        row = row_of(config)
        if row is not None and any(published(row, config["dataset"])):
            found[arm.name] = row, published(row, config["dataset"])
    return found


def row_of(config: Mapping[str, Any]) -> str | None:
    """Which of the paper's own four rows a config is; None for any other.

    Parameters
    ----------
    config
        Every field of a TrainConfig by name, and the options that were changed.
    """
    if any(config[key] != value for key, value in _SETTING.items()):
        return None
    if config["method"] == "quantized_dt":
        is_online = config.get("quantized_dt.structure", "hoeffding") == "hoeffding"
        return "quantized+dt" if is_online else None
    has_sparsity = config["sparsity_weight"] > 0 and config["mask_probability"] > 0
    if has_sparsity and any(config[key] != value for key, value in _SPARSITY.items()):
        return None
    if config["method"] != "intersection":
        return None
    return _ROWS.get((config["tree_weight"], has_sparsity))
