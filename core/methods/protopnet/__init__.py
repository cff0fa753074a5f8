"""ProtoPNet: similarities to prototypes of patches (Chen et al., 2019)."""

from core.methods.protopnet._method import ProtoPNet
from core.methods.protopnet._model import ProtoPNetModel

__all__ = ["ProtoPNet", "ProtoPNetModel"]
