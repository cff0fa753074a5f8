"""How a page's figures look, and how names stand in them."""

import html
import re

STYLES = (
    ("#2f7fd0", "circle", "solid"),
    ("#d5532b", "square", "dash"),
    ("#1f9e6e", "triangle-up", "dashdot"),
    ("#9a63c9", "diamond", "dot"),
    ("#b07d00", "triangle-down", "longdash"),
    ("#808690", "cross", "longdashdot"),
)
"""Colour, marker and line of a series. Each colour has a contrast of 3 to white and to the dark
page alike; markers and lines tell series apart without colours."""

LEVEL_COLOR = "#808690"
_TEX = re.compile(r"\$([^$]*)\$")
LEVEL_DASHES = ("dash", "dot", "longdashdot")


def style_of(place: int) -> tuple[str, str, str]:
    """No two of the first 36 series share both colour and marker."""
    color, _, dash = STYLES[place % len(STYLES)]
    return color, STYLES[(place + place // len(STYLES)) % len(STYLES)][1], dash


def plain(text: str) -> str:
    """A label without TeX's signs, on one line."""
    return _TEX.sub(lambda tex: re.sub(r"[\\{}_]", "", tex[1]), text).replace("\n", " ")


def escape(text: str) -> str:
    """A text that Plotly shows as it is: it knows no entity for quotes, and needs none."""
    return html.escape(text, quote=False)
