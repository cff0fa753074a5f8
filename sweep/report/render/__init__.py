"""How reports look: on a console, in files, as pictures, as Markdown."""

from sweep.report.render._console import show
from sweep.report.render._markdown import to_markdown
from sweep.report.render._pictures import draw, write_pictures
from sweep.report.render._tables import to_arrow, write_tables
from sweep.report.render._write import write

__all__ = [
    "draw",
    "show",
    "to_arrow",
    "to_markdown",
    "write",
    "write_pictures",
    "write_tables",
]
