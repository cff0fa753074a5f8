"""Rendered birds with attributes for each image: a small stand-in for CUB, without a download.

Everything about it is drawn, and its attributes are known exactly before the annotator errs.
"""

from core.data.bundled.field_guide._attributes import (
    ATTRIBUTES,
    SPECIES_ATTRIBUTES_KA,
    Attribute,
    Part,
)
from core.data.bundled.field_guide._dataset import load_field_guide
from core.data.bundled.field_guide._pairs import field_guide_pairs
from core.data.bundled.field_guide._params import FieldGuideParams
from core.data.bundled.field_guide._species import SPECIES, Species

__all__ = [
    "ATTRIBUTES",
    "SPECIES",
    "SPECIES_ATTRIBUTES_KA",
    "Attribute",
    "FieldGuideParams",
    "Part",
    "Species",
    "field_guide_pairs",
    "load_field_guide",
]
