"""Counterfactual pairs: one attribute differs, and no pixel that it does not draw."""

from collections.abc import Iterator
from dataclasses import replace
from functools import cache

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image, ImageDraw

from core.config import ImageOptions
from core.data import (
    COUNTERFACTUAL_DATASETS,
    CounterfactualPairs,
    FieldGuideParams,
    counterfactual_pairs,
)
from core.data.bundled.field_guide import (
    ATTRIBUTES,
    SPECIES,
    SPECIES_ATTRIBUTES_KA,
    Part,
    field_guide_pairs,
)
from core.data.bundled.field_guide._anatomy import assemble
from core.data.bundled.field_guide._changes import changes, shows_all_marks
from core.data.bundled.field_guide._dataset import draw_one
from core.data.bundled.field_guide._scene import _perch, _place, compose
from core.data.bundled.field_guide._species import Species
from core.data.bundled.field_guide._specimen import Specimen, draw_specimen
from core.errors import ConfigError, DataError
from tests.core.data.helpers import in_new_process, output_of

# What a mark draws; None is what no attribute speaks of: skull, trunk and folded wing.
PARTS_OF: dict[str, set[Part | None]] = {
    "bill_shape": {Part.BILL},
    "bill_length": {Part.BILL},
    "bill_color": {Part.BILL},
    "crown_color": {Part.CROWN},
    "crown_shape": {Part.CROWN},
    "head_pattern": {Part.FACE},
    "throat_color": {Part.THROAT},
    # A plain belly is painted like the breast.
    "breast_color": {Part.BREAST, Part.BELLY},
    "belly_pattern": {Part.BELLY},
    # Tail, wing, head and a crown without a colour of its own are the back's.
    "back_color": {Part.BACK, Part.TAIL, Part.CROWN, None},
    "wing_pattern": {Part.WING},
    "tail_shape": {Part.TAIL},
    "tail_length": {Part.TAIL},
    "leg_color": {Part.LEGS},
    "leg_length": {Part.LEGS},
    "size": {*Part, None},
}
NEUTRAL = {
    "bill_length", "crown_color", "crown_shape", "head_pattern", "throat_color", "wing_pattern",
    "tail_length", "leg_length", "size",
}  # fmt: skip
"""Marks with a value that carries no attribute."""

SIZE = 32


@cache
def pairs(*, exchanges: bool) -> CounterfactualPairs:
    return field_guide_pairs(
        FieldGuideParams(image_size=SIZE), pairs_per_attribute=4, exchanges=exchanges
    )


def differences(found: CounterfactualPairs) -> Iterator[tuple[int, set[int]]]:
    """The attribute that each pair was made for, and the columns that differ."""
    differs_PA = found.before.attributes_NA != found.after.attributes_NA
    for column, differs_A in zip(found.changed_P.tolist(), differs_PA, strict=True):
        yield column, set(np.flatnonzero(differs_A).tolist())


def drawn_area(specimen: Specimen, record: Species, stands_as: Species, mark: str) -> set[int]:
    """The pixels, as y * SIZE + x, that hold some of what a mark draws."""
    anatomy = assemble(record)
    placed_P2, foot = _place(anatomy, assemble(stands_as), specimen)
    polygons = [
        placed_P2[start:end]
        for outline, start, end in zip(
            anatomy.outlines, (0, *anatomy.ends), anatomy.ends, strict=False
        )
        if outline.part in PARTS_OF[mark]
    ]
    if mark == "leg_length":
        polygons += [points_P2 for points_P2, _ in _perch(specimen, foot)]
    canvas = Image.new("L", (4 * SIZE, 4 * SIZE))
    draw = ImageDraw.Draw(canvas)
    for points_P2 in polygons:
        draw.polygon((points_P2 * 4 * SIZE).ravel().tolist(), fill=1)
    blocks = np.asarray(canvas).reshape(SIZE, 4, SIZE, 4)
    return set(np.flatnonzero(blocks.any(axis=(1, 3))).tolist())


def individual_of(found: CounterfactualPairs, row: int) -> Specimen:
    """Whom a pair shows: the one of its species whose picture it is."""
    label = int(found.before.labels_N[row])
    exact = FieldGuideParams(image_size=SIZE, label_noise=0, hide_probability=0)
    for image_index in range(100, 300):
        if np.array_equal(draw_one(exact, label, image_index)[0], found.before.images_NCHW[row]):
            return draw_specimen(0, label, image_index, 0.0)
    raise AssertionError("The bird before is no individual of the field guide.")


def record_after(found: CounterfactualPairs, row: int) -> Species:
    """The record after, from the labels alone: the mark's value that they name, or none."""
    attribute = ATTRIBUTES[found.changed_P[row]]
    species = SPECIES[found.before.labels_N[row]]
    named = [
        other.value
        for other, holds in zip(ATTRIBUTES, found.after.attributes_NA[row], strict=True)
        if other.mark == attribute.mark and holds
    ]
    none = {
        "crown_color": "as_back", "crown_shape": "smooth", "throat_color": "no_bib",
        "head_pattern": "plain", "wing_pattern": "plain", "size": "medium",
    }.get(attribute.mark, "ordinary")  # fmt: skip
    return replace(species, **{attribute.mark: named[0] if named else none})  # type: ignore[arg-type]


def test_labels_differ_in_exactly_the_attribute() -> None:
    found = pairs(exchanges=False)
    assert all(differs == {column} for column, differs in differences(found))
    marks = {ATTRIBUTES[column].mark for column in found.changed_P}
    assert marks == NEUTRAL
    expected = [column for column, x in enumerate(ATTRIBUTES) if x.mark in NEUTRAL]
    assert found.changed_P.tolist() == np.repeat(expected, 4).tolist()


def test_exchanges_differ_in_two_values_of_one_mark() -> None:
    found = pairs(exchanges=True)
    for column, differs in differences(found):
        if ATTRIBUTES[column].mark in NEUTRAL:
            assert differs == {column}
        else:
            assert len(differs) == 2
            assert column in differs
            assert len({ATTRIBUTES[other].mark for other in differs}) == 1
    assert found.changed_P.tolist() == np.repeat(np.arange(len(ATTRIBUTES)), 4).tolist()


def test_attributes_are_the_species_own_before() -> None:
    found = pairs(exchanges=True)
    assert np.array_equal(found.before.attributes_NA, SPECIES_ATTRIBUTES_KA[found.before.labels_N])
    assert np.array_equal(found.before.labels_N, found.after.labels_N)


def test_half_of_the_pairs_add_the_attribute() -> None:
    found = pairs(exchanges=True)
    rows = np.arange(len(found))
    adds_P = found.after.attributes_NA[rows, found.changed_P]
    assert adds_P.reshape(-1, 4).sum(axis=1).tolist() == [2] * len(ATTRIBUTES)


def test_no_pixel_differs_that_the_change_does_not_draw() -> None:
    found = pairs(exchanges=True)
    before, after = found.before.images_NCHW, found.after.images_NCHW
    differs_PX = (before != after).any(axis=1).reshape(len(found), -1)
    strongly_PX = (np.abs(before.astype(int) - after) > 30).any(axis=1).reshape(len(found), -1)
    for row in range(0, len(found), 2):
        specimen = individual_of(found, row)
        species, record = SPECIES[found.before.labels_N[row]], record_after(found, row)
        mark = ATTRIBUTES[found.changed_P[row]].mark
        allowed = drawn_area(specimen, species, species, mark)
        allowed |= drawn_area(specimen, record, species, mark)
        assert set(np.flatnonzero(differs_PX[row]).tolist()) <= allowed, (row, mark)
        # And the change is to be seen.
        assert np.count_nonzero(strongly_PX[row]) >= 2, (row, mark)


def toes_of(record: Species, stands_as: Species, specimen: Specimen) -> npt.NDArray[np.float64]:
    """The middle of the last outline of the legs, in image widths."""
    anatomy = assemble(record)
    placed_P2, _ = _place(anatomy, assemble(stands_as), specimen)
    last = max(i for i, outline in enumerate(anatomy.outlines) if outline.part is Part.LEGS)
    return np.asarray(placed_P2[anatomy.ends[last - 1] : anatomy.ends[last]].mean(axis=0))


def test_the_perch_and_the_feet_stay_under_a_bird_of_another_size() -> None:
    specimen = draw_specimen(0, 3, 0, 0.0)
    medium = SPECIES[3]
    large = replace(medium, size="large")
    scenes = compose(specimen, medium), compose(specimen, large, standing_as=medium)
    for (points, _), (others, _) in zip(
        scenes[0].polygons[:2], scenes[1].polygons[:2], strict=True
    ):
        assert np.array_equal(points, others)
    toes, large_toes = (toes_of(record, medium, specimen) for record in (medium, large))
    assert np.abs(toes - large_toes).max() < 0.01
    heights = [
        np.ptp(np.concatenate([points[:, 1] for points, _ in scene.polygons[2:]]))
        for scene in scenes
    ]
    assert heights[1] / heights[0] == pytest.approx(1.04 / 0.92)


def test_birds_are_of_no_image_of_the_dataset() -> None:
    found = pairs(exchanges=False)
    exact = FieldGuideParams(image_size=SIZE, label_noise=0, hide_probability=0)
    for row in range(0, len(found), 8):
        label = int(found.before.labels_N[row])
        for image_index in range(exact.images_per_species):
            image_CHW, _ = draw_one(exact, label, image_index)
            assert not np.array_equal(image_CHW, found.before.images_NCHW[row])


def test_changed_birds_lie_in_the_image_for_the_most_part() -> None:
    # As much as is asked of the data set's own birds.
    for attribute in ATTRIBUTES:
        for change in changes(attribute, exchanges=True):
            species = SPECIES[change.species_index]
            specimen = draw_specimen(0, change.species_index, 100, 0.0)
            scene = compose(specimen, change.changed, standing_as=species)
            bird_P2 = np.concatenate([points for points, _ in scene.polygons[2:]])
            assert ((bird_P2 >= 0) & (bird_P2 <= 1)).all(axis=1).mean() > 0.93


def test_no_change_hides_a_mark() -> None:
    assert all(shows_all_marks(species) for species in SPECIES)
    for attribute in ATTRIBUTES:
        found = list(changes(attribute, exchanges=True))
        assert all(shows_all_marks(change.changed) for change in found)
        assert {change.adds for change in found} == {True, False}
    falcon = next(species for species in SPECIES if species.name == "basalt falcon")
    assert falcon.back_color == "black"
    assert not shows_all_marks(replace(falcon, crown_color="as_back"))
    assert not shows_all_marks(replace(falcon, head_pattern="mask"))
    assert not shows_all_marks(replace(falcon, head_pattern="eyebrow"))


def test_the_same_pixels_again_and_others_with_another_seed() -> None:
    params = FieldGuideParams(image_size=16)
    first, again, other = (
        field_guide_pairs(replace(params, seed=seed), pairs_per_attribute=1) for seed in (0, 0, 1)
    )
    assert np.array_equal(first.after.images_NCHW, again.after.images_NCHW)
    assert np.array_equal(first.changed_P, other.changed_P)
    assert not np.array_equal(first.before.images_NCHW, other.before.images_NCHW)


def test_a_new_process_draws_the_same() -> None:
    code = (
        "import hashlib\n"
        "from core.data import counterfactual_pairs\n"
        "pairs = counterfactual_pairs('field_guide', pairs_per_attribute=1, exchanges=True)\n"
        "print(hashlib.sha256(pairs.after.images_NCHW.tobytes()).hexdigest())\n"
    )
    first, second = in_new_process(code), in_new_process(code)
    assert output_of(first) == output_of(second)


def test_more_pairs_keep_the_first_ones() -> None:
    few, many = (
        field_guide_pairs(FieldGuideParams(image_size=16), pairs_per_attribute=count)
        for count in (2, 5)
    )
    kept_P = np.arange(len(many)) % 5 < 2
    assert np.array_equal(many.after.images_NCHW[kept_P], few.after.images_NCHW)


def test_images_have_the_size_of_the_datasets() -> None:
    found = counterfactual_pairs(
        "field_guide", images=ImageOptions(image_size=48), pairs_per_attribute=1
    )
    assert found.before.images.shape == found.after.images.shape == (3, 48, 48)
    assert COUNTERFACTUAL_DATASETS == ("field_guide", "kanji")


def test_messages() -> None:
    with pytest.raises(ConfigError, match=r"for 'field_guide', 'kanji' alone.*but got 'digits'"):
        counterfactual_pairs("digits")
    with pytest.raises(ConfigError, match="Did you mean 'field_guide'"):
        counterfactual_pairs("fieldguide")
    with pytest.raises(ConfigError, match="at least 1, but got 0"):
        counterfactual_pairs("field_guide", pairs_per_attribute=0)
    with pytest.raises(ConfigError, match=r"`image_size` must lie in \[16, 512\]"):
        counterfactual_pairs("field_guide", images=ImageOptions(image_size=8))
    some = pairs(exchanges=False)
    with pytest.raises(DataError, match="64, 64 and 63"):
        CounterfactualPairs(before=some.before, after=some.after, changed_P=some.changed_P[1:])
