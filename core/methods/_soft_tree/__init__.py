"""A decision tree with soft, multivariate tests (Frosst & Hinton, 2017)."""

from core.methods._soft_tree._balance import BalancePenalty
from core.methods._soft_tree._paths import log_paths
from core.methods._soft_tree._tree import SoftTree, small_depth

__all__ = ["BalancePenalty", "SoftTree", "log_paths", "small_depth"]
