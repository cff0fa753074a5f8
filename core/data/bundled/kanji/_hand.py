"""What is particular to one image: the hand that wrote it, its pen, ink and paper.

Shape letters: P points, S strokes, W waves; the last axis, 2, is (x, y).
"""

from dataclasses import dataclass
from enum import IntEnum

import numpy as np

from core.data.bundled.kanji._drawing import Drawing
from core.data.bundled.kanji._paths import Points

_NUM_WAVES = 3


class Stream(IntEnum):
    """Independent random streams of one image, so that none depends on how much others draw."""

    HAND = 0
    GRAIN = 1


@dataclass(frozen=True, kw_only=True, eq=False)
class Waves:
    """A field of small shifts over the plane: a sum of sine waves."""

    cycles_W2: Points
    """To the right and down, in cycles to a width."""

    phases_W2: Points
    """In radians, one for each axis of the shift."""

    shifts_W2: Points
    """Largest shift of each wave, in widths."""

    def at(self, points_P2: Points) -> Points:
        """The shift at each point, shape (P, 2)."""
        turns_PW = 2 * np.pi * points_P2 @ self.cycles_W2.T
        sines_PW2 = np.sin(turns_PW[:, :, None] + self.phases_W2)
        return np.asarray((sines_PW2 * self.shifts_W2).sum(axis=1))


@dataclass(frozen=True, kw_only=True, eq=False)
class Hand:
    """How a drawing is written, whatever the character. Lengths are in image widths."""

    matrix_22: Points
    """Turn, slant, width and height of the writing, about its centre."""

    offset: Points
    warp: Waves
    """Bends the plane, over a good part of its width."""

    jitter: Waves
    """Moves each stroke by the shift at its middle. Its waves are short, so that neighbours move
    apart; and the same stroke of two characters moves alike."""

    pen_width: float
    ink: float
    paper: float
    """Brightness of both, 0 to 255."""

    variant: float
    """In [0, 1): which of the character's drawings is written."""

    def write(self, drawing: Drawing) -> Points:
        """The drawing's points in the image, shape (P, 2)."""
        moved_P2 = drawing.points_P2 + self.jitter.at(drawing.middles_S2)[drawing.strokes_P]
        bent_P2 = moved_P2 + self.warp.at(moved_P2)
        return np.asarray((bent_P2 - 0.5) @ self.matrix_22.T + 0.5 + self.offset)


def stream(seed: int, label: int, image_index: int, name: Stream) -> np.random.Generator:
    """The generator of one purpose in one image."""
    return np.random.default_rng([seed, label, image_index, name])


def draw_hand(rng: np.random.Generator) -> Hand:
    """Draw one hand."""
    turn, slant = rng.uniform(-0.12, 0.12), rng.uniform(-0.25, 0.25)
    rotation = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    # A positive slant leans to the right: y points down.
    shear = np.array([[1.0, -slant], [0.0, 1.0]])
    scale = np.diag(rng.uniform(0.82, 1.02, 2))
    return Hand(
        matrix_22=rotation @ shear @ scale,
        offset=rng.uniform(-0.05, 0.05, 2),
        warp=_draw_waves(rng, longest=1.5, shortest=0.7, shift=0.02),
        jitter=_draw_waves(rng, longest=0.25, shortest=0.12, shift=0.012),
        pen_width=rng.uniform(0.04, 0.085),
        ink=rng.uniform(150, 255),
        paper=rng.uniform(0, 60),
        variant=rng.random(),
    )


def _draw_waves(
    rng: np.random.Generator, *, longest: float, shortest: float, shift: float
) -> Waves:
    """Waves in any direction; lengths are in widths, `shift` is a standard deviation."""
    directions_W = rng.uniform(0, 2 * np.pi, _NUM_WAVES)
    cycles_W = rng.uniform(1 / longest, 1 / shortest, _NUM_WAVES)
    return Waves(
        cycles_W2=np.stack([np.cos(directions_W), np.sin(directions_W)], axis=1)
        * cycles_W[:, None],
        phases_W2=rng.uniform(0, 2 * np.pi, (_NUM_WAVES, 2)),
        shifts_W2=rng.normal(0, shift, (_NUM_WAVES, 2)),
    )
