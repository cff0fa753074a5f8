"""Each method's own options, by the method's name."""

from collections.abc import Mapping
from types import MappingProxyType

from core.config.options._ant import ANTOptions
from core.config.options._apinet import APINetOptions
from core.config.options._base import MethodOptions
from core.config.options._calibrated import CalibratedOptions
from core.config.options._diversity import DiversityOptions
from core.config.options._intersection import IntersectionOptions
from core.config.options._jigsaw import JigsawOptions
from core.config.options._pipnet import PIPNetOptions
from core.config.options._protopnet import ProtoPNetOptions
from core.config.options._quantized_dt import QuantizedDTOptions
from core.config.options._sdt import SDTOptions

__all__ = [
    "OPTIONS",
    "ANTOptions",
    "APINetOptions",
    "CalibratedOptions",
    "DiversityOptions",
    "IntersectionOptions",
    "JigsawOptions",
    "MethodOptions",
    "PIPNetOptions",
    "ProtoPNetOptions",
    "QuantizedDTOptions",
    "SDTOptions",
]

OPTIONS: Mapping[str, type[MethodOptions]] = MappingProxyType(
    {
        "ant": ANTOptions,
        "apinet": APINetOptions,
        "diversity": DiversityOptions,
        "intersection": IntersectionOptions,
        "jigsaw": JigsawOptions,
        "pipnet": PIPNetOptions,
        "protopnet": ProtoPNetOptions,
        "quantized_dt": QuantizedDTOptions,
        "sdt": SDTOptions,
    }
)
"""`core.methods` has the method of each name; a test holds the two together."""
