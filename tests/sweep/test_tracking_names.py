"""Names for people: arms and values in few letters, and the command that was given."""

import sys

import pytest

from sweep.tracking.command import command_line
from sweep.tracking.names import short_name, values_name


@pytest.mark.parametrize(
    ("arm", "short"),
    [
        ("sparsity_norm=l1 mask_probability=0.3", "norm=l1 p=0.3"),
        ("quantized network", "quantized network"),
        ("ours num_bits=2", "ours r=2"),
        ("trunk_width=4", "trunk_width=4"),
        ("num_bits", "num_bits"),
    ],
)
def test_fields_of_an_arm_are_the_papers_letters(arm: str, short: str) -> None:
    assert short_name(arm) == short


def test_values_are_named_to_three_digits() -> None:
    assert values_name({"mask_probability": 0.30417, "weights": None}) == "p=0.304 weights=None"


@pytest.mark.parametrize(
    ("word", "kept"),
    [
        ("http://me:word@host:5000", "'http://***@host:5000'"),
        ("--study-storage=postgresql://u:p@h/db", "'--study-storage=postgresql://***@h/db'"),
        ("http://host:5000/a@b", "http://host:5000/a@b"),
        ("two words", "'two words'"),
    ],
)
def test_a_command_is_given_again_without_its_logins(word: str, kept: str) -> None:
    assert command_line(["prog", word]) == f"prog {kept}"


def test_the_command_is_that_of_this_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["ignored", "--seeds", "5"])
    assert command_line().endswith(" --seeds 5")
