"""How series and levels are told apart."""

STYLES = (
    ("#0072b2", "o", "-"),
    ("#d55e00", "s", "--"),
    ("#00785a", "^", "-."),
    ("#a3437f", "D", (0, (1, 1))),
    ("#6b5b00", "v", (0, (5, 1, 1, 1, 1, 1))),
)
"""Colour, marker and line of a series: print and eyes that see no colours tell them apart too. The
colours are near those of Okabe and Ito, dark enough for words on white."""

LEVEL_STYLES = (
    (0, (4, 3)),
    (0, (1, 2)),
    (0, (7, 2, 1, 2)),
    (0, (9, 2)),
    (0, (3, 2, 1, 2, 1, 2)),
    (0, (1, 4)),
)
