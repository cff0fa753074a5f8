"""From a config's method to a run that is ready to start."""

from collections.abc import Mapping
from types import MappingProxyType

import torch

from core.config import TrainConfig
from core.methods.ant import ANT
from core.methods.apinet import APINet
from core.methods.dfl import DFL
from core.methods.diversity import Diversity
from core.methods.intersection import Intersection
from core.methods.jigsaw import Jigsaw
from core.methods.nts import NTS
from core.methods.pipnet import PIPNet
from core.methods.protopnet import ProtoPNet
from core.methods.quantized_dt import QuantizedDT
from core.methods.region_grouping import RegionGrouping
from core.methods.sae import SAE
from core.methods.sdt import SDT
from core.methods.wsdan import WSDAN
from core.training import Method, TrainState

METHODS: Mapping[str, type[Method]] = MappingProxyType(
    {
        "ant": ANT,
        "apinet": APINet,
        "dfl": DFL,
        "diversity": Diversity,
        "intersection": Intersection,
        "jigsaw": Jigsaw,
        "nts": NTS,
        "pipnet": PIPNet,
        "protopnet": ProtoPNet,
        "quantized_dt": QuantizedDT,
        "region_grouping": RegionGrouping,
        "sae": SAE,
        "sdt": SDT,
        "wsdan": WSDAN,
    }
)
"""By the name in `TrainConfig.method`; `core.config.options.OPTIONS` has the options of each."""


def check_method(config: TrainConfig) -> None:
    """Refuse a config that its method cannot train, without building anything.

    Raises
    ------
    ConfigError
    """
    METHODS[config.method].check(config)


def create_state(
    config: TrainConfig,
    *,
    in_channels: int,
    num_classes: int,
    device: torch.device | str = "cpu",
) -> TrainState:
    """Initialise a run (line 1 of Alg. 1) from its config; the first weights depend on the seed.

    Parameters
    ----------
    config
        `method` says what is trained.
    in_channels, num_classes
        Of the dataset.
    device
        Where to train.

    Raises
    ------
    ConfigError, DataError
        If the method, the trunk or the first weights do not suit.

    Examples
    --------
    >>> state = create_state(TrainConfig(feature_dim=8), in_channels=1, num_classes=10)
    >>> state.epoch, state.finished
    (0, False)
    """
    check_method(config)
    method = METHODS[config.method].create(
        config, in_channels=in_channels, num_classes=num_classes, device=torch.device(device)
    )
    return TrainState(config=config, method=method)
