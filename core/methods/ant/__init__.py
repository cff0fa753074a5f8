"""ANT, the adaptive neural tree of Tanno et al. (2019), on a convolutional trunk."""

from core.methods.ant._method import ANT
from core.methods.ant._model import ANTModel

__all__ = ["ANT", "ANTModel"]
