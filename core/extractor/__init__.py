"""A trained F, q, G and T as one object to use: on images, on pictures in files, in scikit-learn.

>>> extractor = AttributeExtractor.load("artifacts")
>>> extractor.transform(images), extractor.predict(images), extractor.explain(images)
"""

from typing import TYPE_CHECKING, Any

from core.extractor._matches import AttributeMatch, attribute_matches, binarize, matched
from core.extractor._pictures import PICTURE_SUFFIXES, load_picture
from core.extractor._reasons import rule_text
from core.extractor._trained import TrainedExtractor

if TYPE_CHECKING:
    from core.extractor._estimator import AttributeExtractor, Extraction

__all__ = [
    "PICTURE_SUFFIXES",
    "AttributeExtractor",
    "AttributeMatch",
    "Extraction",
    "TrainedExtractor",
    "attribute_matches",
    "binarize",
    "load_picture",
    "matched",
    "rule_text",
]


def __getattr__(name: str) -> Any:
    # scikit-learn takes half a second to import, and a trial that writes its result needs it not.
    if name in ("AttributeExtractor", "Extraction"):
        from core.extractor import _estimator

        return getattr(_estimator, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
