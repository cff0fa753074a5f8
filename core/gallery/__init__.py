"""Pictures of what a trained network's features stand for: where each fires most, and where not.

>>> shown = gallery(AttributeExtractor.load("artifacts"), load_dataset("field_guide"))
>>> shown.attribute("bill shape::hooked").fires[0].image.show()
"""

from core.gallery._gallery import (
    AttributePictures,
    ClassPictures,
    Gallery,
    Picture,
    TestPictures,
    gallery,
    sheet,
)
from core.gallery._nodes import NamedTest, named_tests
from core.gallery._stump import Stump
from core.gallery._tests import TreeTest, tree_tests

__all__ = [
    "AttributePictures",
    "ClassPictures",
    "Gallery",
    "NamedTest",
    "Picture",
    "Stump",
    "TestPictures",
    "TreeTest",
    "gallery",
    "named_tests",
    "sheet",
    "tree_tests",
]
