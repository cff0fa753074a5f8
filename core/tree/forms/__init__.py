"""What a tree is turned into for people and for disks: text, rules, a picture, files."""

from core.tree.forms._files import load_tree, save_tree
from core.tree.forms._picture import draw_tree
from core.tree.forms._rules import Condition, Rule, reason, rule_of, rules, to_rules
from core.tree.forms._text import to_text

__all__ = [
    "Condition",
    "Rule",
    "draw_tree",
    "load_tree",
    "reason",
    "rule_of",
    "rules",
    "save_tree",
    "to_rules",
    "to_text",
]
