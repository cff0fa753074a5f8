"""Units that belong to classes, as evenly as their numbers allow.

Shape letters: N units, K classes.
"""

import torch
from torch import Tensor

from core.errors import ConfigError


def spread_over_classes(num_units: int, num_classes: int) -> Tensor:
    """The class of each unit, in order: floor(n / K) a class, and one more for the first n mod K.

    Parameters
    ----------
    num_units, num_classes
        n and K.

    Returns
    -------
    Tensor
        (N,) int64.

    Raises
    ------
    ConfigError
        If a class would have none.

    Examples
    --------
    >>> spread_over_classes(5, 3)
    tensor([0, 0, 1, 1, 2])
    """
    if num_units < num_classes:
        raise ConfigError(
            f"`feature_dim` must be at least {num_classes}, the number of classes, since each of "
            f"them has features of its own, but got {num_units}."
        )
    least, more = divmod(num_units, num_classes)
    classes_K = torch.arange(num_classes)
    return classes_K.repeat_interleave(least + (classes_K < more).long())
