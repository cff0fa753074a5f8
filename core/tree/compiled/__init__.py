"""All that is compiled for the CPU: the grower, and the way from levels to leaves."""

from core.tree.compiled._grower import Grower, grow
from core.tree.compiled._traverse import find_leaves

__all__ = ["Grower", "find_leaves", "grow"]
