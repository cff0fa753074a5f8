"""How series and levels are told apart."""

STYLES = (
    ("#1b6ca8", "o", "-"),
    ("#d1495b", "s", "--"),
    ("#2e7d32", "^", "-."),
    ("#6a4c93", "D", (0, (1, 1))),
    ("#b07d00", "v", (0, (5, 1, 1, 1, 1, 1))),
)
"""Colour, marker and line of a series: print and eyes that see no colours tell them apart too."""

LEVEL_STYLES = ((0, (4, 3)), (0, (1, 2)), (0, (7, 2, 1, 2)))
