"""What hides a part, and what the annotator makes of it."""

import numpy as np
import pytest
from PIL import Image, ImageDraw

from core.data.bundled.field_guide import ATTRIBUTES, SPECIES, SPECIES_ATTRIBUTES_KA, Part
from core.data.bundled.field_guide._annotate import misread, shown_attributes
from core.data.bundled.field_guide._leaf import Leaf
from core.data.bundled.field_guide._scene import Scene, compose
from core.data.bundled.field_guide._specimen import Backdrop, Hiding, Specimen, draw_specimen

BIRDS = [(species, image) for species in range(len(SPECIES)) for image in range(8)]


def scenes(hiding: Hiding | None) -> list[tuple[int, Specimen, Scene]]:
    probability = 0.0 if hiding is None else 1.0
    drawn = [(species, draw_specimen(3, species, image, probability)) for species, image in BIRDS]
    return [
        (species, specimen, compose(specimen, SPECIES[species]))
        for species, specimen in drawn
        if specimen.hiding is hiding
    ]


def test_unhidden_birds_show_exactly_their_species_attributes() -> None:
    found = scenes(None)
    assert len(found) == len(BIRDS)
    for species, _, scene in found:
        assert np.array_equal(
            shown_attributes(scene, SPECIES[species]), SPECIES_ATTRIBUTES_KA[species]
        )


def test_unhidden_birds_lie_inside_the_image() -> None:
    for species, _, scene in scenes(None):
        # The first two polygons are the perch, which runs across the image.
        bird_P2 = np.concatenate([points for points, _ in scene.polygons[2:]])
        inside = ((bird_P2 >= 0) & (bird_P2 <= 1)).all(axis=1)
        assert inside.mean() > 0.93, SPECIES[species].name


def test_crouched_birds_hide_their_legs_alone() -> None:
    found = scenes(Hiding.CROUCHED)
    assert found
    for species, _, scene in found:
        lost_A = SPECIES_ATTRIBUTES_KA[species] & ~shown_attributes(scene, SPECIES[species])
        parts = {ATTRIBUTES[column].part for column in np.flatnonzero(lost_A)}
        assert parts == {Part.LEGS}


def test_birds_that_look_away_hide_bill_face_and_throat() -> None:
    found = scenes(Hiding.TURNED_AWAY)
    assert found
    for _, _, scene in found:
        assert not scene.visible & {Part.BILL, Part.FACE, Part.THROAT}
        assert {Part.CROWN, Part.LEGS, Part.TAIL, Part.BREAST} <= scene.visible


def test_cropped_views_hide_parts_and_never_tell_the_size() -> None:
    found = scenes(Hiding.CROP)
    assert not any(scene.size_shows for _, _, scene in found)
    assert all(scene.visible for _, _, scene in found)
    hides_some = [len(scene.visible) < 8 for _, _, scene in found]
    assert np.mean(hides_some) > 0.8


def test_leaves_hide_some_parts_and_not_the_whole_bird() -> None:
    shares = [
        shown_attributes(scene, SPECIES[species]).sum() / SPECIES_ATTRIBUTES_KA[species].sum()
        for species, _, scene in scenes(Hiding.LEAF)
    ]
    assert min(shares) > 0.2
    assert np.mean(np.array(shares) < 1) > 0.5


def test_a_leaf_covers_what_it_paints() -> None:
    leaf = Leaf(np.array([0.45, 0.55]), 0.6, (0.0, 0.0, 0.0))
    width = 200
    painted = Image.new("1", (width, width))
    blade_P2, _ = leaf.polygons()[0]
    ImageDraw.Draw(painted).polygon((blade_P2 * width).ravel().tolist(), fill=1)
    y, x = np.mgrid[:width, :width]
    centers_P2 = (np.stack([x.ravel(), y.ravel()], axis=1) + 0.5) / width
    covered = leaf.covers(centers_P2).reshape(width, width)
    assert covered.mean() > 0.05
    assert (covered != np.asarray(painted)).mean() < 0.01


def test_hiding_leaves_the_bird_as_it_was() -> None:
    plain, hidden = (draw_specimen(0, 4, 2, probability) for probability in (0.0, 1.0))
    assert plain.hiding is None
    assert hidden.hiding is not None
    assert np.array_equal(plain.pigments, hidden.pigments)
    assert (plain.facing, plain.tilt, plain.backdrop) == (
        hidden.facing,
        hidden.tilt,
        hidden.backdrop,
    )


def test_hide_probability_is_the_share_of_hidden_birds() -> None:
    hidden = [
        draw_specimen(0, species, image, 0.25).hiding is not None
        for species in range(len(SPECIES))
        for image in range(25)
    ]
    # Five standard deviations of 600 draws.
    assert np.mean(hidden) == pytest.approx(0.25, abs=5 * np.sqrt(0.25 * 0.75 / 600))


@pytest.mark.parametrize("species", range(0, len(SPECIES), 6))
def test_the_scene_does_not_tell_the_species(species: int) -> None:
    drawn = [draw_specimen(0, species, image, 0.0) for image in range(120)]
    for backdrop in Backdrop:
        share = np.mean([specimen.backdrop is backdrop for specimen in drawn])
        assert share == pytest.approx(1 / 3, abs=5 * np.sqrt(2 / 9 / 120))
    facing = np.mean([specimen.facing == 1 for specimen in drawn])
    assert facing == pytest.approx(0.5, abs=5 * np.sqrt(0.25 / 120))


@pytest.mark.parametrize("rate", [0.0, 0.02, 0.2])
def test_the_annotator_errs_at_the_stated_rate_either_way(rate: float) -> None:
    rng = np.random.default_rng(0)
    absent_A, present_A = np.zeros(20_000, dtype=bool), np.ones(20_000, dtype=bool)
    tolerance = 5 * np.sqrt(rate * (1 - rate) / 20_000)
    assert misread(absent_A, rate, rng).mean() == pytest.approx(rate, abs=tolerance)
    assert 1 - misread(present_A, rate, rng).mean() == pytest.approx(rate, abs=tolerance)
