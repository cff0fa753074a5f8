"""Sizes and augmentation: what fits together, and how the config hands them on."""

from typing import Any

import pytest

from core.config import ImageOptions, TrainConfig
from core.errors import ConfigError

PMG = {"resize_size": 550, "crop_size": 448, "augmentation": "crop_flip"}


def test_the_config_hands_its_sizes_on() -> None:
    assert TrainConfig.from_dict(PMG).image_options == ImageOptions(**PMG)
    assert TrainConfig().image_options == ImageOptions()
    assert TrainConfig(image_size=96).image_options == ImageOptions(image_size=96)
    assert ImageOptions(**PMG).decodes
    assert not ImageOptions().decodes
    assert not ImageOptions(image_size=96).decodes


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"resize_size": 0, "crop_size": 0}, "`resize_size` must be at least 1, but got 0"),
        ({"resize_size": 5, "crop_size": 0}, "`crop_size` must be at least 1, but got 0"),
        ({"resize_size": 5}, "must be given together, but got 5 and None"),
        ({"crop_size": 5}, "must be given together, but got None and 5"),
        ({"resize_size": 5, "crop_size": 6}, "must be at most `resize_size`, but got 6 and 5"),
        ({"augmentation": "crop_flip"}, "must be 'none' without `resize_size`.*got 'crop_flip'"),
        ({"image_size": 0}, "`image_size` must be at least 1, but got 0"),
        ({"image_size": 96.0}, "`image_size` must be an integer, but got 96.0"),
        ({**PMG, "image_size": 96}, "`image_size`, for .*, must be None .* but got 96: leave"),
        ({"image_size": 96, "augmentation": "crop_flip"}, "`augmentation` must be 'none' without"),
        ({"augmentation": "flip"}, "`augmentation` must be one of 'none', 'crop_flip'"),
        ({"resize_size": 5.5, "crop_size": 5}, "`resize_size` must be an integer, but got 5.5"),
    ],
)
def test_what_does_not_fit_together_is_refused(values: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        TrainConfig.from_dict(values)
