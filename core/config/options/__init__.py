"""Each method's own options, by the method's name."""

from collections.abc import Mapping
from types import MappingProxyType

from core.config.options._ant import ANTOptions
from core.config.options._apinet import APINetOptions
from core.config.options._base import MethodOptions
from core.config.options._calibrated import CalibratedOptions
from core.config.options._dfl import DFLOptions
from core.config.options._diversity import DiversityOptions
from core.config.options._intersection import IntersectionOptions
from core.config.options._jigsaw import JigsawOptions
from core.config.options._nts import NTSOptions
from core.config.options._pipnet import PIPNetOptions
from core.config.options._protopnet import ProtoPNetOptions
from core.config.options._quantized_dt import QuantizedDTOptions
from core.config.options._region_grouping import RegionGroupingOptions
from core.config.options._sae import SAEOptions
from core.config.options._sdt import SDTOptions
from core.config.options._wsdan import WSDANOptions

__all__ = [
    "OPTIONS",
    "ANTOptions",
    "APINetOptions",
    "CalibratedOptions",
    "DFLOptions",
    "DiversityOptions",
    "IntersectionOptions",
    "JigsawOptions",
    "MethodOptions",
    "NTSOptions",
    "PIPNetOptions",
    "ProtoPNetOptions",
    "QuantizedDTOptions",
    "RegionGroupingOptions",
    "SAEOptions",
    "SDTOptions",
    "WSDANOptions",
]

OPTIONS: Mapping[str, type[MethodOptions]] = MappingProxyType(
    {
        "ant": ANTOptions,
        "apinet": APINetOptions,
        "dfl": DFLOptions,
        "diversity": DiversityOptions,
        "intersection": IntersectionOptions,
        "jigsaw": JigsawOptions,
        "nts": NTSOptions,
        "pipnet": PIPNetOptions,
        "protopnet": ProtoPNetOptions,
        "quantized_dt": QuantizedDTOptions,
        "region_grouping": RegionGroupingOptions,
        "sae": SAEOptions,
        "sdt": SDTOptions,
        "wsdan": WSDANOptions,
    }
)
"""`core.methods` has the method of each name; a test holds the two together."""
