"""Crops of resized images, against torchvision's transforms one after another."""

import numpy as np
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from torchvision.transforms import v2
from torchvision.transforms.v2 import functional

from core.config import CROP_PADDING
from core.data.decoding._crops import Crop, centre_crop, random_crop, resized_shape, write_crop

SIDES = st.integers(3, 90)


def picture(height: int, width: int) -> torch.Tensor:
    pixels = np.random.default_rng(height * width).integers(0, 256, (height, width, 3))
    return torch.from_numpy(pixels.astype(np.uint8)).permute(2, 0, 1)


def cropped(image: torch.Tensor, crop: Crop) -> torch.Tensor:
    """The crop from an image as it is, and from one with a channel of padding, as Pillow's."""
    padded = torch.nn.functional.pad(image.permute(1, 2, 0), (0, 1), value=99).permute(2, 0, 1)
    outs = [np.full((3, crop.size, crop.size), 77, dtype=np.uint8) for _ in range(2)]
    for out, source in zip(outs, (image, padded), strict=True):
        write_crop(source, crop, out)
    assert np.array_equal(*outs)
    return torch.from_numpy(outs[0])


@settings(max_examples=60, deadline=None)
@given(SIDES, SIDES, SIDES, st.data())
@example(40, 60, 20, None)
@example(30, 30, 30, None)
def test_centre_crops_are_torchvisions(
    height: int, width: int, resize: int, data: st.DataObject | None
) -> None:
    size = data.draw(st.integers(1, resize)) if data else resize
    image = picture(height, width)
    resized = functional.resize(image, [resize], antialias=True)
    assert resized_shape(height, width, resize) == tuple(resized.shape[1:])
    crop = centre_crop(*resized.shape[1:], size)
    assert torch.equal(cropped(image, crop), v2.CenterCrop(size)(resized))


@settings(max_examples=100, deadline=None)
@given(SIDES, SIDES, SIDES, st.data())
def test_random_crops_are_torchvisions_at_the_same_place(
    height: int, width: int, resize: int, data: st.DataObject
) -> None:
    size = data.draw(st.integers(1, resize))
    shape = resized_shape(height, width, resize)
    crop = random_crop(*shape, size, np.random.default_rng(data.draw(st.integers(0, 9))))
    image = picture(height, width)
    padded = functional.pad(functional.resize(image, [resize], antialias=True), [CROP_PADDING])
    expected = functional.crop(
        padded, crop.top + CROP_PADDING, crop.left + CROP_PADDING, size, size
    )
    if crop.mirrored:
        expected = functional.horizontal_flip(expected)
    assert torch.equal(cropped(image, crop), expected)


def test_an_output_as_long_as_the_input_is_scaled_all_the_same() -> None:
    """The kernel takes equal sizes for no scaling; a part may have the input's size by chance."""
    image = picture(20, 20)
    resized = functional.resize(image, [40], antialias=True)
    crop = Crop(40, 40, 4, 4, 16, mirrored=False)
    assert torch.equal(cropped(image, crop), resized[:, 4:20, 4:20])


def test_random_crops_take_every_place_and_mirror_half() -> None:
    generator = np.random.default_rng(0)
    crops = [random_crop(6, 4, 4, generator) for _ in range(6000)]
    assert {crop.top for crop in crops} == set(range(-CROP_PADDING, 6 + CROP_PADDING - 4 + 1))
    assert {crop.left for crop in crops} == set(range(-CROP_PADDING, 4 + CROP_PADDING - 4 + 1))
    # Five standard deviations of 6000 throws.
    assert abs(np.mean([crop.mirrored for crop in crops]) - 0.5) < 5 * 0.5 / np.sqrt(6000)
