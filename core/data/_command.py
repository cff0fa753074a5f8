"""What the commands of `core.data` share."""

import argparse
from typing import NoReturn


class OneLineParser(argparse.ArgumentParser):
    """Says what is wrong without repeating the usage."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: error: {message}\n")


def shown_size(num_bytes: int) -> str:
    """A number of bytes in decimal units, with three digits.

    Examples
    --------
    >>> shown_size(1_834_000_000)
    '1.83 GB'
    """
    size, unit = float(num_bytes), "bytes"
    for larger in ("kB", "MB", "GB", "TB"):
        if size < 999.5:
            break
        size, unit = size / 1000, larger
    if unit == "bytes":
        return f"{num_bytes} bytes"
    return f"{size:.{2 if size < 9.995 else 1 if size < 99.95 else 0}f} {unit}"
