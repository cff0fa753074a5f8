"""SDT, the soft decision tree of Frosst & Hinton (2017), on a convolutional trunk."""

from core.methods.sdt._method import SDT
from core.methods.sdt._model import SDTModel

__all__ = ["SDT", "SDTModel"]
