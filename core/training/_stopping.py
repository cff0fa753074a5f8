"""When a run ends before its last epoch."""

import itertools


def early_stop(accuracies: list[float], drops_to_stop: int | None) -> bool:
    """Whether the newest accuracy is the drop that ends the run.

    Section 6: training goes on "until the second epoch for which the accuracy rate drops over a
    validation set"; a drop is an accuracy below that of the epoch before.

    Examples
    --------
    >>> early_stop([0.5, 0.4, 0.6, 0.55], drops_to_stop=2)
    True
    """
    if drops_to_stop is None:
        return False
    drops = [late < early for early, late in itertools.pairwise(accuracies)]
    return bool(drops) and drops[-1] and sum(drops) >= drops_to_stop
