"""The binary attributes, named as in CUB, and which part of the bird shows each one.

Shape letters: K species, A attributes.
"""

from dataclasses import dataclass
from enum import StrEnum

import numpy as np
import numpy.typing as npt

from core.data.bundled.field_guide._species import SPECIES, Species


class Part(StrEnum):
    """A part of the bird that can be hidden as a whole."""

    BILL = "bill"
    CROWN = "crown"
    FACE = "face"
    THROAT = "throat"
    BREAST = "breast"
    BELLY = "belly"
    BACK = "back"
    WING = "wing"
    TAIL = "tail"
    LEGS = "legs"


@dataclass(frozen=True)
class Attribute:
    """One column: a value of one of the species' field marks."""

    mark: str
    """Field of `Species`."""

    value: str
    part: Part | None
    """Where it shows; None if it takes the whole bird to tell."""

    definition: str

    @property
    def name(self) -> str:
        return f"has_{self.mark}::{self.value}"

    def holds_for(self, species: Species) -> bool:
        return bool(getattr(species, self.mark) == self.value)


ATTRIBUTES: tuple[Attribute, ...] = (
    Attribute("bill_shape", "cone", Part.BILL, "The bill is a short, thick wedge."),
    Attribute("bill_shape", "dagger", Part.BILL, "The bill is thin, straight and pointed."),
    Attribute("bill_shape", "hooked", Part.BILL, "The upper bill ends in a downward hook."),
    Attribute("bill_shape", "curved", Part.BILL, "The whole bill bends downward in an arc."),
    Attribute("bill_length", "long", Part.BILL, "The bill is longer than the head is wide."),
    Attribute("bill_color", "black", Part.BILL, "The bill is black."),
    Attribute("bill_color", "yellow", Part.BILL, "The bill is yellow."),
    Attribute("bill_color", "red", Part.BILL, "The bill is red."),
    Attribute("crown_color", "black", Part.CROWN, "The top of the head is black."),
    Attribute("crown_color", "red", Part.CROWN, "The top of the head is red."),
    Attribute("crown_color", "white", Part.CROWN, "The top of the head is white."),
    Attribute("crown_shape", "crested", Part.CROWN, "A pointed tuft rises behind the crown."),
    Attribute("head_pattern", "eyebrow", Part.FACE, "A pale stripe runs above the eye."),
    Attribute("head_pattern", "eye_ring", Part.FACE, "A pale ring surrounds the eye."),
    Attribute("head_pattern", "mask", Part.FACE, "A black band runs through the eye."),
    Attribute("throat_color", "black", Part.THROAT, "A black bib reaches from throat to breast."),
    Attribute("throat_color", "red", Part.THROAT, "A red bib reaches from throat to breast."),
    Attribute("breast_color", "white", Part.BREAST, "The underparts are white."),
    Attribute("breast_color", "yellow", Part.BREAST, "The underparts are yellow."),
    Attribute("breast_color", "orange", Part.BREAST, "The underparts are orange."),
    Attribute("breast_color", "grey", Part.BREAST, "The underparts are pale grey."),
    Attribute("belly_pattern", "plain", Part.BELLY, "The belly has one colour, unmarked."),
    Attribute("belly_pattern", "striped", Part.BELLY, "Dark stripes cross the belly."),
    Attribute("belly_pattern", "spotted", Part.BELLY, "Dark round spots cover the belly."),
    Attribute("back_color", "brown", Part.BACK, "The back is brown."),
    Attribute("back_color", "grey", Part.BACK, "The back is grey."),
    Attribute("back_color", "black", Part.BACK, "The back is black."),
    Attribute("back_color", "blue", Part.BACK, "The back is blue."),
    Attribute("back_color", "green", Part.BACK, "The back is green."),
    Attribute("wing_pattern", "barred", Part.WING, "Two pale bars cross the folded wing."),
    Attribute("wing_pattern", "patched", Part.WING, "The folded wing has one large pale patch."),
    Attribute("tail_shape", "forked", Part.TAIL, "The tail ends in two prongs."),
    Attribute("tail_shape", "fan", Part.TAIL, "The tail widens to a rounded end."),
    Attribute("tail_shape", "pointed", Part.TAIL, "The tail narrows to a point."),
    Attribute("tail_length", "long", Part.TAIL, "The tail is nearly as long as the body."),
    Attribute("leg_color", "black", Part.LEGS, "The legs are black."),
    Attribute("leg_color", "yellow", Part.LEGS, "The legs are yellow."),
    Attribute("leg_color", "red", Part.LEGS, "The legs are red."),
    Attribute("leg_length", "long", Part.LEGS, "The legs are about as long as the body is deep."),
    Attribute("size", "small", None, "The bird is small beside its perch."),
    Attribute("size", "large", None, "The bird is large beside its perch."),
)

SPECIES_ATTRIBUTES_KA: npt.NDArray[np.bool_] = np.array(
    [[attribute.holds_for(species) for attribute in ATTRIBUTES] for species in SPECIES]
)
"""What is true of each species when nothing is hidden and nobody errs."""
SPECIES_ATTRIBUTES_KA.flags.writeable = False
