"""A TopK sparse autoencoder (Gao et al., 2024) on the features of a quantized network."""

from core.methods.sae._autoencoder import TopKAutoencoder
from core.methods.sae._method import SAE
from core.methods.sae._model import SAEModel

__all__ = ["SAE", "SAEModel", "TopKAutoencoder"]
