"""The entry to growing a tree.

Shape letters: N samples, D features, K classes.
"""

from typing import Literal, get_args

import numpy.typing as npt

from core.errors import ConfigError
from core.tree import _plain, compiled
from core.tree._finish import to_tree
from core.tree._gain import Criterion
from core.tree._samples import as_samples
from core.tree._settings import Settings
from core.tree._tree import DecisionTree

GrowerName = Literal["compiled", "plain"]

_GROWERS = {"compiled": compiled.grow, "plain": _plain.grow}


def fit_tree(
    levels_ND: npt.ArrayLike,
    labels_NK: npt.ArrayLike,
    *,
    num_levels: int,
    max_depth: int,
    criterion: Criterion | str = Criterion.INFORMATION_GAIN,
    min_gain: float = 0.0,
    grower: GrowerName = "compiled",
) -> DecisionTree:
    """Grow the multivariate regression tree T by CART (section 5, "Tree Optimization").

    A node is split by the test `level <= threshold` of the largest gain, if that exceeds
    `min_gain`, the node is not at `max_depth`, and both sides hold a sample.

    Equal input gives an equal tree, bit for bit, whatever the order of rows and the grower:

    - Labels are rounded once, to multiples of 2^-24 (2^-23 for squared error). Each label moves by
      half of that at most, 3e-8 (6e-8), and each mean label by about as much. All sums of labels
      are then exact.
    - Gains are rounded to multiples of 2^-32 before they are compared, so that splits of equal
      gain are equal however it was computed. Ties go to the lowest feature, then to the lowest
      threshold. A gain below 2^-33 counts as none.

    Parameters
    ----------
    levels_ND
        Levels q(F(x)), of any integer dtype, from 0 to `num_levels` - 1.
    labels_NK
        Soft labels G(q(F(x))), of a floating dtype. For information gain each row lies on the
        simplex (its sum may be off by 1e-3 and is divided out); for squared error each label lies
        in [-1, 1].
    num_levels
        2^r, at most 256.
    max_depth
        d_max, the largest number of tests from the root to a leaf. 0 gives a single leaf.
    criterion
        "information_gain": the gain is the entropy, in bits, of the node's mean label vector minus
        the size-weighted entropies of its children's. "squared_error": the decrease of the mean
        squared error, summed over classes.
    min_gain
        Only a split of a larger gain is made. In bits, or in squared labels.
    grower
        "compiled" is fast, and takes as many threads as torch does (`torch.set_num_threads`);
        "plain" is the reference, written to be read.

    Returns
    -------
    DecisionTree
        Nodes in breadth-first order.

    Raises
    ------
    ConfigError
        For a setting outside its range.
    DataError
        For levels or labels that break the rules above, or empty tables.

    Examples
    --------
    >>> import numpy as np
    >>> tree = fit_tree(np.array([[0], [3]]), np.eye(2), num_levels=4, max_depth=1)
    >>> print(to_text(tree))
    if feature 0 <= 0:
        class 0: 1.000 (1 sample)
    else:
        class 1: 1.000 (1 sample)
    """
    settings = Settings.of(
        num_levels=num_levels, max_depth=max_depth, criterion=criterion, min_gain=min_gain
    )
    if grower not in get_args(GrowerName):
        choices = list(get_args(GrowerName))
        raise ConfigError(f"`grower` must be one of {choices}, but got {grower!r}.")
    samples = as_samples(levels_ND, labels_NK, settings)
    nodes = _GROWERS[grower](samples, settings)
    return to_tree(nodes, settings, num_features=samples.levels_ND.shape[1])
