"""Settings of the field guide: legal edges, refusals, one canonical form."""

from typing import Any

import numpy as np
import pytest

from core.data import FieldGuideParams
from core.errors import ConfigError


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"image_size": 15}, r"`image_size` must lie in \[16, 512\], but got 15\."),
        ({"image_size": 32.0}, "`image_size` must be an integer, but got 32.0"),
        ({"image_size": True}, "`image_size` must be an integer, but got True"),
        ({"images_per_species": 9}, r"`images_per_species` must lie in \[10, 100000\]"),
        ({"seed": -1}, "`seed` must lie in"),
        ({"label_noise": 0.5}, r"`label_noise` must lie in \[0, 0.5\), but got 0.5"),
        ({"label_noise": float("nan")}, "`label_noise` must lie in"),
        ({"label_noise": "much"}, "`label_noise` must be a number, but got 'much'"),
        ({"hide_probability": 1.01}, r"`hide_probability` must lie in \[0, 1\], but got 1.01"),
        ({"hide_probability": float("inf")}, "`hide_probability` must lie in"),
    ],
)
def test_refusals(values: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        FieldGuideParams(**values)


@pytest.mark.parametrize(
    "values",
    [
        {"image_size": 16},
        {"image_size": 512},
        {"images_per_species": 10},
        {"label_noise": 0},
        {"hide_probability": 0},
        {"hide_probability": 1},
    ],
)
def test_legal_edges(values: dict[str, Any]) -> None:
    params = FieldGuideParams(**values)
    for name, value in values.items():
        assert getattr(params, name) == value


def test_equal_settings_have_one_canonical_form() -> None:
    written = FieldGuideParams(label_noise=0, image_size=np.int64(64))  # type: ignore[arg-type]
    same = FieldGuideParams(label_noise=0.0, image_size=64)
    assert written == same
    assert written.canonical() == same.canonical()
    assert FieldGuideParams(seed=1).canonical() != FieldGuideParams().canonical()
