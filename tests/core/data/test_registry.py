"""Datasets by name."""

from pathlib import Path

import pytest

from core.data import DATASETS, load_dataset, load_digits
from core.errors import ConfigError


def test_every_name_loads_the_dataset_of_that_name(tmp_path: Path) -> None:
    assert DATASETS == ("digits", "field_guide")
    for name in DATASETS:
        dataset = load_dataset(name, cache_dir=tmp_path)
        assert dataset.name == name
        assert len(dataset.train) > 5 * len(dataset.minival) > 0
        # `torch.from_numpy` shares memory, and warns of arrays that cannot be written.
        assert dataset.train.images_NCHW.flags.writeable


def test_the_split_seed_is_passed_on() -> None:
    loaded = load_dataset("digits", split_seed=3)
    assert loaded.fingerprint == load_digits(split_seed=3).fingerprint
    assert loaded.fingerprint != load_dataset("digits").fingerprint


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("feild_guide", "'feild_guide' is none of 'digits', .* Did you mean 'field_guide'"),
        ("Digits", "Did you mean 'digits'"),
        ("imagenet", r"'imagenet' is none of 'digits', 'field_guide'\.$"),
    ],
)
def test_an_unknown_name_is_refused_with_the_nearest_one(name: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        load_dataset(name)


@pytest.mark.parametrize("name", DATASETS)
def test_bundled_datasets_refuse_a_root(name: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="`root` must be None"):
        load_dataset(name, root=tmp_path)
