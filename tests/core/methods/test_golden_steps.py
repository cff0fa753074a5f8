"""Ten steps of each method are what they were when they were written down."""

import json

import pytest

from core.methods import METHODS
from tests.core.methods.golden import file_of, ten_steps


@pytest.mark.parametrize("method", METHODS)
def test_ten_steps_are_as_written(method: str) -> None:
    file = file_of(method)
    assert file.is_file(), f"write it: python -m tests.core.methods.golden {method}"
    expected, actual = json.loads(file.read_text()), ten_steps(method)
    # Other processors may round differently; a level that flips moves a number a little.
    assert actual["norms"] == pytest.approx(expected["norms"], rel=1e-3, abs=1e-6)
    assert len(actual["losses"]) == len(expected["losses"])
    for ours, theirs in zip(actual["losses"], expected["losses"], strict=True):
        assert ours == pytest.approx(theirs, rel=1e-3)
