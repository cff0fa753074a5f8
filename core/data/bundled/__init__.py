"""Data sets made or shipped here, held in memory.

A new one is a module here with a function that returns a `core.data.Dataset`.
"""

from core.data.bundled.digits import load_digits
from core.data.bundled.field_guide import (
    FieldGuideParams,
    field_guide_pairs,
    load_field_guide,
)
from core.data.bundled.kanji import KanjiParams, kanji_pairs, kanjivg_version, load_kanji

__all__ = [
    "FieldGuideParams",
    "KanjiParams",
    "field_guide_pairs",
    "kanji_pairs",
    "kanjivg_version",
    "load_digits",
    "load_field_guide",
    "load_kanji",
]
