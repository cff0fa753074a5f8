"""What commands share: `--set FIELD=VALUE`."""

import argparse
import dataclasses

import pytest

from core.command import OneLineParser, add_set_argument, assignment
from core.config import TrainConfig
from core.presets import PRESETS, preset_config


@pytest.mark.parametrize("word", ["none", "None", "null"])
@pytest.mark.parametrize("field", ["drops_to_stop", "weights", "image_size"])
def test_three_words_say_that_a_field_is_left_open(field: str, word: str) -> None:
    assert assignment(f"{field}={word}") == (field, None)


def test_none_stays_a_word_where_a_field_cannot_be_left_open() -> None:
    assert assignment("feature_activation=none") == ("feature_activation", "none")
    assert assignment("augmentation=none") == ("augmentation", "none")


@pytest.mark.parametrize("name", ["", *PRESETS])
def test_every_field_is_taken_as_it_is_printed(name: str) -> None:
    config = preset_config(name) if name else TrainConfig()
    for field in dataclasses.fields(config):
        value = getattr(config, field.name)
        assert assignment(f"{field.name}={value}") == (field.name, value)


def test_assignments_gather_and_a_mistyped_field_is_refused(
    capsys: pytest.CaptureFixture[str],
) -> None:
    parser = OneLineParser(prog="x", allow_abbrev=False)
    add_set_argument(parser)
    options = parser.parse_args(["--set", "num_epochs=3", "--set", "compile=True"])
    assert options.set == [("num_epochs", 3), ("compile", True)]
    with pytest.raises(SystemExit):
        parser.parse_args(["--set", "trnk=conv"])
    assert "Did you mean 'trunk'" in capsys.readouterr().err
    with pytest.raises(argparse.ArgumentTypeError, match="must be FIELD=VALUE"):
        assignment("trunk")
