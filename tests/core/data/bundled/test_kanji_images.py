"""From strokes to pixels, and the data set that they make."""

from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from sklearn.neighbors import NearestCentroid

from core.data import Dataset, KanjiParams, load_kanji
from core.data.bundled.kanji import CHARACTERS, _dataset
from core.data.bundled.kanji._dataset import draw_one, read_characters
from core.data.bundled.kanji._drawing import Component, Drawing
from core.data.bundled.kanji._hand import Hand, Stream, Waves, draw_hand, stream
from core.data.bundled.kanji._render import render
from core.errors import ConfigError
from tests.core.data.helpers import in_new_process, output_of

SMALL = KanjiParams(image_size=16, images_per_character=10)
STILL = Waves(cycles_W2=np.ones((1, 2)), phases_W2=np.zeros((1, 2)), shifts_W2=np.zeros((1, 2)))
STEADY = Hand(
    matrix_22=np.eye(2),
    offset=np.zeros(2),
    warp=STILL,
    jitter=STILL,
    pen_width=0.1,
    ink=200.0,
    paper=50.0,
    variant=0.0,
)
"""Writes a drawing as it is."""


def drawing_of(points_P2: np.ndarray) -> Drawing:
    return Drawing(
        whole=Component(element="W", place=None, parts=(), num_loose_strokes=1),
        stroke_kinds=("H",),
        points_P2=points_P2,
        strokes_P=np.zeros(len(points_P2), dtype=np.int64),
        middles_S2=points_P2[len(points_P2) // 2][None],
    )


def ink_of(drawing: Drawing, hand: Hand, size: int) -> np.ndarray:
    """Share of ink of each pixel, with the grain in it."""
    image_HW = render(drawing, hand, size, np.random.default_rng(0))[0]
    return (image_HW - hand.paper) / (hand.ink - hand.paper)


@pytest.fixture(scope="module")
def cache_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module")
def small(cache_dir: Path) -> Dataset:
    return load_kanji(SMALL, cache_dir=cache_dir)


@cache
def drawings() -> list[tuple[Drawing, ...]]:
    return read_characters()


@pytest.mark.parametrize("size", [32, 100])
def test_a_dot_is_a_disc_and_a_line_has_round_ends(size: int) -> None:
    dot = ink_of(drawing_of(np.array([[0.5, 0.5]])), STEADY, size).sum() / size**2
    across = np.linspace(0.3, 0.7, 201)
    line = drawing_of(np.stack([across, np.full(201, 0.45)], axis=1))
    drawn = ink_of(line, STEADY, size).sum() / size**2
    # The grain's mean error is about 0.08 / size of the whole.
    assert dot == pytest.approx(np.pi * 0.05**2, abs=0.25 / size)
    assert drawn == pytest.approx(np.pi * 0.05**2 + 0.4 * 0.1, abs=0.25 / size)


def test_ink_lies_where_the_stroke_does() -> None:
    line = drawing_of(np.stack([np.linspace(0.2, 0.6, 201), np.full(201, 0.25)], axis=1))
    ink_HW = ink_of(line, STEADY, 40)
    assert ink_HW[10, 10:23].min() > 0.7
    ink_HW[7:13, 5:28] = 0
    assert np.abs(ink_HW).max() < 0.5


def test_a_hand_moves_strokes_as_wholes() -> None:
    first, last = draw_hand(stream(0, 3, 5, Stream.HAND)), drawings()[0][0]
    unbent = replace(first, warp=STILL, matrix_22=np.eye(2), offset=np.zeros(2))
    moved_P2 = unbent.write(last) - last.points_P2
    for index in range(len(last.stroke_kinds)):
        of_stroke = moved_P2[last.strokes_P == index]
        assert np.allclose(of_stroke, of_stroke[0])
    assert len(np.unique(moved_P2.round(9), axis=0)) == len(last.stroke_kinds)
    assert 0 < np.abs(moved_P2).max() < 0.15


def test_a_warp_is_smooth() -> None:
    warp = draw_hand(stream(0, 0, 0, Stream.HAND)).warp
    across = np.stack([np.linspace(0, 1, 1001), np.full(1001, 0.3)], axis=1)
    steps = np.abs(np.diff(warp.at(across), axis=0))
    # A wave of shift a and f cycles is nowhere steeper than 2 pi f a.
    cycles_W = np.linalg.norm(warp.cycles_W2, axis=1)[:, None]
    steepest = (2 * np.pi * cycles_W * np.abs(warp.shifts_W2)).sum(axis=0)
    assert (steps <= steepest / 1000 + 1e-12).all()


def test_hands_and_grains_differ_between_images_and_are_drawn_apart() -> None:
    streams = [(0, 0, 0), (0, 0, 1), (0, 1, 0), (1, 0, 0)]
    numbers = {draw_hand(stream(*key, Stream.HAND)).pen_width for key in streams}
    numbers |= {stream(*key, Stream.GRAIN).random() for key in streams}
    assert len(numbers) == 8


def test_characters_lie_in_the_image_for_the_most_part() -> None:
    for label in range(0, len(CHARACTERS), 7):
        for image_index in range(10):
            hand = draw_hand(stream(0, label, image_index, Stream.HAND))
            written_P2 = hand.write(drawings()[label][0])
            assert ((written_P2 > 0) & (written_P2 < 1)).all(axis=1).mean() > 0.9


def test_all_drawings_of_a_character_are_written_and_labelled_as_what_they_are() -> None:
    label, both = next((i, x) for i, x in enumerate(drawings()) if len(x) == 2)
    drawn = [draw_one(SMALL, both, label, index) for index in range(40)]
    assert {which for _, which in drawn} == {0, 1}
    for index in (0, 1, 2):
        image, which = draw_one(SMALL, both[:1], label, index)
        assert which == 0
        assert np.array_equal(image, drawn[index][0]) == (drawn[index][1] == 0)


def test_splits_shapes_and_names(small: Dataset) -> None:
    assert small.name == "kanji"
    assert small.image_shape == (1, 16, 16)
    assert small.class_names == tuple(CHARACTERS.values())
    for name, per_character in (("train", 6), ("minival", 1), ("test", 3)):
        split = dict(small.splits())[name]
        assert np.array_equal(np.bincount(split.labels_N), np.full(120, per_character))
        assert split.attributes_NA.any(axis=0).all(), "each attribute occurs"
        assert split.attributes_NA.mean() < 0.1


def test_pixels_tell_the_characters_apart_and_corners_do_not(small: Dataset) -> None:
    def accuracy(columns: slice | list[int]) -> float:
        pixels_NP = [
            x.images_NCHW[:, 0][:, columns][:, :, columns].reshape(len(x), -1) / 255
            for x in (small.train, small.test)
        ]
        nearest = NearestCentroid().fit(pixels_NP[0], small.train.labels_N)
        return float(nearest.score(pixels_NP[1], small.test.labels_N))

    chance = 1 / len(CHARACTERS)
    assert accuracy(slice(None)) > 20 * chance
    assert accuracy([0, 1, -2, -1]) < 4 * chance


def test_the_default_has_as_many_images_as_its_description_says() -> None:
    params = KanjiParams()
    assert 20 <= params.images_per_character <= 60
    assert params.image_size == 32
    assert KanjiParams(image_size=np.int64(32)).canonical() == params.canonical()  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ({"image_size": 15}, r"`image_size` must lie in \[16, 512\], but got 15"),
        ({"image_size": 513}, "but got 513"),
        ({"images_per_character": 9}, r"must lie in \[10, 100000\], but got 9"),
        ({"seed": -1}, "`seed` must lie in"),
        ({"seed": 0.5}, "`seed` must be an integer, but got 0.5"),
        ({"image_size": True}, "must be an integer, but got True"),
    ],
)
def test_settings_outside_their_range_are_refused(setting: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        KanjiParams(**setting)  # type: ignore[arg-type]


def test_an_image_depends_on_its_own_number_alone(small: Dataset) -> None:
    # In the data set 1200 images were drawn, in turns; here one of each that is asked for.
    every = {image.tobytes() for _, split in small.splits() for image in split.images_NCHW}
    for label in (0, 63, 119):
        for image_index in range(10):
            image, _ = draw_one(SMALL, drawings()[label], label, image_index)
            assert image.tobytes() in every
            other, _ = draw_one(replace(SMALL, seed=1), drawings()[label], label, image_index)
            assert other.tobytes() not in every


def test_a_larger_image_shows_the_same_character() -> None:
    for label in (0, 50):
        small, _ = draw_one(KanjiParams(image_size=16), drawings()[label], label, 0)
        large, _ = draw_one(KanjiParams(image_size=64), drawings()[label], label, 0)
        reduced = large.reshape(16, 4, 16, 4).mean(axis=(1, 3))
        assert np.corrcoef(reduced.ravel(), small.ravel())[0, 1] > 0.8


def test_a_new_process_draws_the_same(small: Dataset, tmp_path: Path) -> None:
    code = (
        "from core.data import load_kanji\n"
        "from tests.core.data.bundled.test_kanji_images import SMALL\n"
        f"print(load_kanji(SMALL, cache_dir={str(tmp_path)!r}).fingerprint)\n"
    )
    assert output_of(in_new_process(code)) == small.fingerprint


def test_they_are_drawn_once_for_all_split_seeds(
    small: Dataset, cache_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(params: KanjiParams) -> None:
        raise AssertionError("drawn again")

    monkeypatch.setattr(_dataset, "draw_all", refuse)
    assert load_kanji(SMALL, cache_dir=cache_dir).fingerprint == small.fingerprint
    other = load_kanji(SMALL, split_seed=1, cache_dir=cache_dir)
    assert np.array_equal(other.test.images_NCHW, small.test.images_NCHW)
    assert not np.array_equal(other.minival.images_NCHW, small.minival.images_NCHW)
    with pytest.raises(AssertionError, match="drawn again"):
        load_kanji(replace(SMALL, seed=1), cache_dir=cache_dir)
    monkeypatch.setattr(_dataset, "kanjivg_version", lambda: "another")
    with pytest.raises(AssertionError, match="drawn again"):
        load_kanji(SMALL, cache_dir=cache_dir)
