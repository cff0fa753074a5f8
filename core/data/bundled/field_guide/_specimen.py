"""What is particular to one image: the individual, its pose, its light and what hides it."""

from dataclasses import dataclass
from enum import IntEnum, StrEnum

import numpy as np
import numpy.typing as npt

from core.data.bundled.field_guide._palette import PIGMENTS


class Stream(IntEnum):
    """Independent random streams of one image, so that none depends on how much others draw."""

    SPECIMEN = 0
    HIDING = 1
    GRAIN = 2
    ANNOTATOR = 3


class Backdrop(StrEnum):
    """What is behind the bird. Drawn without regard to the species."""

    SKY = "sky"
    FOLIAGE = "foliage"
    WATER = "water"


class Hiding(StrEnum):
    """Why a part cannot be seen."""

    LEAF = "leaf"
    CROP = "crop"
    TURNED_AWAY = "turned_away"
    CROUCHED = "crouched"


@dataclass(frozen=True, kw_only=True, eq=False)
class Specimen:
    """One bird in one scene, at any image size. Lengths are in image widths or bird units."""

    facing: int
    """1 to the right, -1 to the left."""

    tilt: float
    """Turn of the whole bird in radians."""

    head_tilt: float
    """Further turn of the head in radians."""

    stretch: tuple[float, float]
    """Individual proportions: factors along and across the bird."""

    zoom: float
    offset: tuple[float, float]
    """Shift from the centre, in image widths."""

    pigments: npt.NDArray[np.float64]
    """`PIGMENTS` as this individual wears them."""

    backdrop: Backdrop
    backdrop_texture: npt.NDArray[np.float64]
    """Coarse noise in [0, 1), shape (8, 8, 3)."""

    perch_colour: tuple[float, float, float]
    perch_slope: float

    light: float
    """Brightness factor of the whole scene."""

    light_slope: tuple[float, float]
    """Brightness gained across the image, to the right and to the bottom."""

    tint: npt.NDArray[np.float64]
    """Colour of the light, one factor a channel."""

    hiding: Hiding | None
    hiding_draws: tuple[float, float, float, float]
    """Numbers in [0, 1) that place the leaf or the crop."""


def stream(seed: int, species_index: int, image_index: int, name: Stream) -> np.random.Generator:
    """The generator of one purpose in one image."""
    return np.random.default_rng([seed, species_index, image_index, name])


def draw_specimen(
    seed: int, species_index: int, image_index: int, hide_probability: float
) -> Specimen:
    """Draw one individual; its bird and scene do not depend on `hide_probability`."""
    rng = stream(seed, species_index, image_index, Stream.SPECIMEN)
    hiding_rng = stream(seed, species_index, image_index, Stream.HIDING)
    hidden, kind, *placing = hiding_rng.random(6)
    hidings = list(Hiding)
    wood = rng.uniform(0.7, 1.3) * np.array([104.0, 88.0, 76.0]) + rng.normal(0, 6, 3)
    brightness = rng.normal(1, 0.05, (len(PIGMENTS), 1))
    pigments = PIGMENTS * brightness + rng.normal(0, 5, PIGMENTS.shape)
    backdrops = list(Backdrop)
    return Specimen(
        facing=1 if rng.random() < 0.5 else -1,
        tilt=rng.uniform(-0.2, 0.2),
        head_tilt=rng.uniform(-0.2, 0.2),
        stretch=(rng.uniform(0.95, 1.05), rng.uniform(0.95, 1.05)),
        zoom=rng.uniform(0.95, 1.05),
        offset=(rng.uniform(-0.03, 0.03), rng.uniform(-0.03, 0.03)),
        pigments=pigments,
        backdrop=backdrops[int(rng.random() * len(backdrops))],
        backdrop_texture=rng.random((8, 8, 3)),
        perch_colour=(float(wood[0]), float(wood[1]), float(wood[2])),
        perch_slope=rng.uniform(-0.15, 0.15),
        light=rng.uniform(0.84, 1.12),
        light_slope=(rng.uniform(-0.15, 0.15), rng.uniform(-0.2, 0.02)),
        tint=1 + rng.uniform(-0.05, 0.05, 3),
        hiding=hidings[int(kind * len(hidings))] if hidden < hide_probability else None,
        hiding_draws=(placing[0], placing[1], placing[2], placing[3]),
    )
