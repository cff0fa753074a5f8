"""NTS-Net (Yang et al., 2018): navigator, teacher and scrutinizer."""

from core.methods.nts._method import NTS
from core.methods.nts._model import NTSModel

__all__ = ["NTS", "NTSModel"]
