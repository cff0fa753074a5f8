"""A quantized network with a differentiable decision tree on top, and no other loss."""

from core.methods.quantized_dt._method import QuantizedDT
from core.methods.quantized_dt._model import QuantizedDTModel

__all__ = ["QuantizedDT", "QuantizedDTModel"]
