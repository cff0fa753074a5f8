"""DFL-CNN (Wang, Morariu & Davis, 2018): a bank of filters that each look for one patch."""

from core.methods.dfl._method import DFL
from core.methods.dfl._model import DFLModel

__all__ = ["DFL", "DFLModel"]
