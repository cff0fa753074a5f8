"""Rendering: the same everywhere, at every size, and with every mark in the pixels."""

import hashlib

import numpy as np
import numpy.typing as npt
import pytest

from core.data import FieldGuideParams
from core.data.bundled.field_guide import SPECIES
from core.data.bundled.field_guide._dataset import draw_all, draw_one
from core.data.bundled.field_guide._render import render
from core.data.bundled.field_guide._scene import compose
from core.data.bundled.field_guide._specimen import Backdrop, Stream, draw_specimen, stream
from tests.core.data.helpers import SMALL, in_new_process, output_of

# numpy 2.4.6, SMALL with seed 0; made by hashing draw_all(SMALL)["attributes_NA"].tobytes().
ATTRIBUTES_SHA256 = "ac7fa5d3a76f6b3f7ca7f5f785e6d2c7ca24d5ac4d4e6f07f2762bd6ce5d1b2a"

# Pillow 13.0.0, the first six species of SMALL; draw_all(SMALL)["images_NCHW"][:6].mean((1, 2, 3)).
# Where these move on purpose, results on the old birds no longer compare with those on the new.
MEAN_PIXELS = [85.68, 152.37, 187.16, 124.24, 160.13, 144.86]

Image = npt.NDArray[np.uint8]


def halved(image_CHW: Image) -> npt.NDArray[np.float64]:
    channels, height, width = image_CHW.shape
    blocks = image_CHW.reshape(channels, height // 2, 2, width // 2, 2)
    return np.asarray(blocks.mean(axis=(2, 4)))


def test_attributes_and_pixels_are_golden() -> None:
    arrays = draw_all(SMALL)
    digest = hashlib.sha256(arrays["attributes_NA"].tobytes()).hexdigest()
    assert digest == ATTRIBUTES_SHA256
    means = arrays["images_NCHW"][:6].mean(axis=(1, 2, 3))
    assert means == pytest.approx(MEAN_PIXELS, abs=0.2)


def test_an_image_does_not_depend_on_what_is_drawn_before_it() -> None:
    arrays = draw_all(SMALL)
    for row in (200, 57, 0):
        image_CHW, attributes_A = draw_one(SMALL, row % len(SPECIES), row // len(SPECIES))
        assert np.array_equal(image_CHW, arrays["images_NCHW"][row])
        assert np.array_equal(attributes_A, arrays["attributes_NA"][row])


def test_more_images_only_append_rows() -> None:
    more = FieldGuideParams(image_size=16, images_per_species=12)
    few, many = draw_all(SMALL), draw_all(more)
    for name, array in few.items():
        assert np.array_equal(many[name][: len(array)], array)


def test_a_new_process_draws_the_same() -> None:
    code = (
        "import hashlib\n"
        "from core.data.bundled.field_guide._dataset import draw_all\n"
        "from tests.core.data.helpers import SMALL\n"
        "arrays = draw_all(SMALL)\n"
        "print(hashlib.sha256(arrays['images_NCHW'].tobytes()).hexdigest())"
    )
    here = hashlib.sha256(draw_all(SMALL)["images_NCHW"].tobytes()).hexdigest()
    assert output_of(in_new_process(code)) == here


def test_another_seed_draws_other_birds() -> None:
    other = FieldGuideParams(image_size=16, images_per_species=10, seed=1)
    assert not np.array_equal(draw_one(SMALL, 0, 0)[0], draw_one(other, 0, 0)[0])


def test_label_noise_moves_no_pixel_and_flips_at_its_rate() -> None:
    exact = FieldGuideParams(image_size=16, images_per_species=10, label_noise=0)
    noisy = FieldGuideParams(image_size=16, images_per_species=10, label_noise=0.1)
    true, written = draw_all(exact), draw_all(noisy)
    assert np.array_equal(true["images_NCHW"], written["images_NCHW"])
    flipped = true["attributes_NA"] != written["attributes_NA"]
    assert flipped.mean() == pytest.approx(0.1, abs=5 * np.sqrt(0.09 / flipped.size))


@pytest.mark.parametrize("image_size", [16, 33, 64, 128])
def test_every_size_gives_its_shape_and_the_same_attributes(image_size: int) -> None:
    params = FieldGuideParams(image_size=image_size)
    for species in (0, 7, 23):
        image_CHW, attributes_A = draw_one(params, species, 3)
        assert image_CHW.shape == (3, image_size, image_size)
        assert image_CHW.dtype == np.uint8
        assert image_CHW.std() > 20
        assert np.array_equal(attributes_A, draw_one(FieldGuideParams(), species, 3)[1])


@pytest.mark.parametrize("species", range(0, len(SPECIES), 5))
def test_a_larger_image_shows_the_same_bird(species: int) -> None:
    small, _ = draw_one(FieldGuideParams(image_size=32), species, 1)
    large, _ = draw_one(FieldGuideParams(image_size=64), species, 1)
    another, _ = draw_one(FieldGuideParams(image_size=64), species, 2)
    assert np.abs(halved(large) - small).mean() < 8
    assert np.abs(halved(another) - small).mean() > 16


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("ember finch", "ash finch"),
        ("reed lancer", "marsh lancer"),
        ("hazel creeper", "bramble creeper"),
        ("pine shrike", "copse shrike"),
        ("onyx ibis", "opal ibis"),
    ],
)
def test_twins_in_one_pose_differ_in_the_pixels(first: str, second: str) -> None:
    species = {record.name: record for record in SPECIES}
    specimen = draw_specimen(0, 0, 0, 0.0)
    images = []
    for name in (first, second):
        grain = stream(0, 0, 0, Stream.GRAIN)
        images.append(render(compose(specimen, species[name]), specimen, 32, grain))
    difference_HW = np.abs(images[0].astype(int) - images[1]).max(axis=0)
    assert (difference_HW > 50).sum() >= 3
    assert (difference_HW > 2).mean() < 0.2


def test_all_backdrops_and_both_facings_occur() -> None:
    drawn = [draw_specimen(0, 0, image, 0.0) for image in range(40)]
    assert {specimen.backdrop for specimen in drawn} == set(Backdrop)
    assert {specimen.facing for specimen in drawn} == {-1, 1}
