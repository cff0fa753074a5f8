"""API-Net: pairs of images that are told apart together (Zhuang et al., 2020)."""

from core.methods.apinet._method import APINet
from core.methods.apinet._model import APINetModel

__all__ = ["APINet", "APINetModel"]
