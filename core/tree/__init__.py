"""T of the paper: a decision tree on levels, grown on soft labels (section 5).

One set of rules and three growers, which give the same tree, bit for bit. Each is named for the way
in which it comes to the tree:

- plain: by the rules as they are written, one node at a time, in numpy; the reference.
- compiled: in machine code for the CPU, with bounds that pass over most of the work.
- growing: the compiled one over rows that arrive a few at a time, brought up to date.

`fit_tree` runs the first two, `GrowingTree` is the third. What is compiled is in `compiled`; what a
tree is turned into, from text to files, in `forms`, which nothing else here needs.
"""

from core.tree._fit import fit_tree
from core.tree._gain import Criterion
from core.tree._growing import GrowingTree
from core.tree._tree import DecisionTree
from core.tree.forms import (
    Condition,
    Rule,
    draw_tree,
    load_tree,
    reason,
    rule_of,
    rules,
    save_tree,
    to_rules,
    to_text,
)

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
    "to_rules",
    "to_text",
]
