"""Images in memory as a source, and splits made of them."""

import pickle

import numpy as np
import pytest

from core.data import Split
from core.data.images import ArrayImages, Identity
from core.errors import DataError

IMAGES = np.arange(5 * 1 * 2 * 3, dtype=np.uint8).reshape(5, 1, 2, 3)
LABELS = np.zeros(5, dtype=np.int64)
ATTRIBUTES = np.zeros((5, 1), dtype=np.bool_)


def test_batches_are_the_rows_asked_for_in_their_order() -> None:
    source = ArrayImages(IMAGES)
    rows = [np.array([4, 0]), np.array([], dtype=np.int64), np.array([2])]
    for seed in (None, (1, 2)):
        batches = list(source.batches(rows, seed=seed))
        for batch, rows_B in zip(batches, rows, strict=True):
            assert np.array_equal(batch.numpy(), IMAGES[rows_B])
    assert source.shape == (1, 2, 3)
    assert len(source) == 5


def test_a_split_takes_an_array_or_a_source() -> None:
    by_array = Split(images_NCHW=IMAGES, labels_N=LABELS, attributes_NA=ATTRIBUTES)
    by_source = Split(images=ArrayImages(IMAGES), labels_N=LABELS, attributes_NA=ATTRIBUTES)
    assert by_array.images_NCHW is by_source.images_NCHW is IMAGES
    assert by_array.images.identity() == by_source.images.identity()
    copy = pickle.loads(pickle.dumps(by_array))
    assert np.array_equal(copy.images_NCHW, IMAGES)


@pytest.mark.parametrize(
    ("images", "given"),
    [({}, "neither"), ({"images_NCHW": IMAGES, "images": ArrayImages(IMAGES)}, "both")],
)
def test_a_split_takes_one_of_them(images: dict[str, object], given: str) -> None:
    with pytest.raises(DataError, match=f"`images_NCHW` or `images`, but {given} was given"):
        Split(labels_N=LABELS, attributes_NA=ATTRIBUTES, **images)  # type: ignore[arg-type]


def test_images_that_are_decoded_are_no_array() -> None:
    split = Split(images=_Elsewhere(), labels_N=LABELS, attributes_NA=ATTRIBUTES)
    with pytest.raises(DataError, match=r"decoded batch by batch: use `images\.batches`"):
        _ = split.images_NCHW


class _Elsewhere:
    """A source that is no array."""

    shape = (3, 4, 4)

    def __len__(self) -> int:
        return 5

    def identity(self) -> Identity:
        return Identity("elsewhere", b"")

    def batches(self, rows: object, *, seed: object = None) -> None:
        raise NotImplementedError
