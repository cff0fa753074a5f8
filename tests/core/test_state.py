"""Early stopping as section 6 words it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.state import early_stop


@pytest.mark.parametrize(
    ("accuracies", "stops"),
    [
        ([0.5], False),
        ([0.5, 0.4], False),
        ([0.5, 0.4, 0.3], True),
        ([0.5, 0.4, 0.6], False),
        ([0.5, 0.4, 0.6, 0.6], False),
        ([0.5, 0.4, 0.6, 0.55], True),
    ],
)
def test_stops_at_the_second_drop(accuracies: list[float], stops: bool) -> None:
    assert early_stop(accuracies, drops_to_stop=2) is stops


def test_one_drop_is_enough_when_asked() -> None:
    assert early_stop([0.5, 0.4], drops_to_stop=1)


@given(st.lists(st.floats(0, 1), max_size=20))
def test_none_never_stops(accuracies: list[float]) -> None:
    assert not early_stop(accuracies, drops_to_stop=None)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=20).map(sorted))
def test_never_stops_while_accuracy_does_not_drop(accuracies: list[float]) -> None:
    assert not early_stop(accuracies, drops_to_stop=1)
