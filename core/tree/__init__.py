"""T of the paper: a decision tree on levels, grown on soft labels (section 5).

One set of rules, several growers: all of them give the same tree, bit for bit.
"""

from core.tree._files import load_tree, save_tree
from core.tree._fit import fit_tree
from core.tree._gain import Criterion
from core.tree._growing import GrowingTree
from core.tree._picture import draw_tree
from core.tree._rules import Condition, Rule, reason, rule_of, rules
from core.tree._tree import DecisionTree

__all__ = [
    "Condition",
    "Criterion",
    "DecisionTree",
    "GrowingTree",
    "Rule",
    "draw_tree",
    "fit_tree",
    "load_tree",
    "reason",
    "rule_of",
    "rules",
    "save_tree",
]
