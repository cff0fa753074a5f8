"""WS-DAN (Hu et al., 2019): attention maps that pool, crop and drop."""

from core.methods.wsdan._method import WSDAN
from core.methods.wsdan._model import WSDANModel

__all__ = ["WSDAN", "WSDANModel"]
