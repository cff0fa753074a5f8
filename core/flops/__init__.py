"""Floating-point operations of a whole run, counted before there is any data.

>>> flops = count_run(config, image_shape=(3, 448, 448), num_classes=200, folder=scratch)
>>> flops.total(SplitSizes(train=5395, minival=599, test=5794))
"""

from core.flops._count import count_run
from core.flops._run import Phase, RunFlops, SplitSizes

__all__ = ["Phase", "RunFlops", "SplitSizes", "count_run"]
