"""Diverse features: the dense phase of SLDD-Model and Q-SENN (Norrenbrock et al., 2022, 2024)."""

from core.methods.diversity._method import Diversity
from core.methods.diversity._model import DiversityModel

__all__ = ["Diversity", "DiversityModel"]
