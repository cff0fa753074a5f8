"""T of the paper: a decision tree on levels, grown on soft labels (section 5).

One set of rules, several growers: all of them give the same tree, bit for bit.
"""

from core.tree._fit import fit_tree
from core.tree._gain import Criterion
from core.tree._picture import draw_tree
from core.tree._tree import DecisionTree

__all__ = ["Criterion", "DecisionTree", "draw_tree", "fit_tree"]
