"""Names as a page shows them."""


def in_words(attribute: str) -> str:
    """An attribute's name without the prefix and the separators of CUB's.

    Examples
    --------
    >>> in_words("has_bill_shape::all-purpose")
    'bill shape: all-purpose'
    """
    return attribute.removeprefix("has_").replace("::", ": ").replace("_", " ")
