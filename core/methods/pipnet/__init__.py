"""PIP-Net: patch prototypes that are present or not (Nauta et al., 2023)."""

from core.methods.pipnet._method import PIPNet
from core.methods.pipnet._model import PIPNetModel

__all__ = ["PIPNet", "PIPNetModel"]
