"""What a dataset holds, for people: counts in words and tables, pictures on a page."""

from core.data.views._description import print_description, summarize_splits
from core.data.views._sheet import DPI, FORMATS, Cell, attributes_in_words, draw_sheet
from core.data.views._summary import SplitSummary, summarize

__all__ = [
    "DPI",
    "FORMATS",
    "Cell",
    "SplitSummary",
    "attributes_in_words",
    "draw_sheet",
    "print_description",
    "summarize",
    "summarize_splits",
]
