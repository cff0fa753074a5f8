"""What the paper's Table 1 prints, as a file beside this one."""

import csv
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from types import MappingProxyType
from typing import NamedTuple

NAMES: Mapping[str, str] = MappingProxyType(
    {
        "sdt": "SDT",
        "ant": "ANT",
        "wsdan": "WS-DAN",
        "dfl": "DFL-CNN",
        "nts": "NTS-Net",
        "apinet": "API-Net",
        "protopnet": "ProtoPNet",
        "region_grouping": "Region Grouping",
        "quantized": "Quantized network",
        "quantized+dt": "Quantized network + DT",
        "quantized+l1": "Quantized network + L1",
        "intersection": "Intersection regularization",
    }
)
"""A row of `core.methods.ROWS` to the paper's name for it."""


class Published(NamedTuple):
    """Fractions; None where the paper prints none."""

    accuracy: float | None
    fidelity: float | None


def published(row: str, dataset: str) -> Published:
    """The paper's numbers of a row on a data set; of another reading of a row there are none."""
    values = _table().get(NAMES.get(row, ""), {})
    return Published(
        *(
            float(text) / 100 if (text := values.get(f"{dataset}_{kind}")) else None
            for kind in ("acc", "fidelity")
        )
    )


@cache
def _table() -> dict[str, dict[str, str]]:
    text = files("sweep.report").joinpath("published_table1.csv").read_text()
    return {line["method"]: line for line in csv.DictReader(text.splitlines())}
