"""Units of a layer that belong to classes, such as prototypes.

Shape letters: N units, K classes.
"""

import torch
from torch import Tensor

from core.errors import ConfigError


def classes_of_units(num_units: int, num_classes: int) -> Tensor:
    """Spread units over the classes, so that a layer has n of them whatever K is.

    Class c gets floor(n / K), and each of the first n mod K classes one more. The published codes
    give each class the same number instead, and n follows.

    Parameters
    ----------
    num_units
        n.
    num_classes
        K.

    Returns
    -------
    Tensor
        (N,) int64, the class of each unit, in order.

    Raises
    ------
    ConfigError
        If there are fewer units than classes.

    Examples
    --------
    >>> classes_of_units(5, 2)
    tensor([0, 0, 0, 1, 1])
    """
    if num_units < num_classes:
        raise ConfigError(
            f"`feature_dim` must be at least the number of classes, {num_classes}, so that each "
            f"has a unit of its own, but got {num_units}: use more features."
        )
    per_class, more = divmod(num_units, num_classes)
    counts_K = torch.full((num_classes,), per_class)
    counts_K[:more] += 1
    return torch.arange(num_classes).repeat_interleave(counts_K)
