"""Nodes as a grower leaves them: breadth-first, root 0, leaves point to themselves.

Shape letters: M nodes, K classes.
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt


class Nodes(NamedTuple):
    feature_M: npt.NDArray[np.int32]
    threshold_M: npt.NDArray[np.int32]
    left_M: npt.NDArray[np.int32]
    right_M: npt.NDArray[np.int32]
    num_samples_M: npt.NDArray[np.int64]
    sums_MK: npt.NDArray[np.float64]
    """Sums of labels, in units."""
