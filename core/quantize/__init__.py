"""Alg. 2: levels of features, in training with its gradients, and after training."""

from core.quantize._calibrated import CalibratedQuantizer
from core.quantize._uniform import UniformQuantizer, dequantize, quantize

__all__ = ["CalibratedQuantizer", "UniformQuantizer", "dequantize", "quantize"]
