"""Kanji drawn from lexicographers' strokes and components, by a different hand in each image.

Attributes that people made, at the size of CUB's table. Needs the extra ``[kanji]``.
"""

from core.data.bundled.kanji._characters import CHARACTERS
from core.data.bundled.kanji._dataset import load_kanji
from core.data.bundled.kanji._pairs import kanji_pairs
from core.data.bundled.kanji._params import KanjiParams
from core.data.bundled.kanji._source import kanjivg_version

__all__ = ["CHARACTERS", "KanjiParams", "kanji_pairs", "kanjivg_version", "load_kanji"]
