"""What commands share: `--set FIELD=VALUE`."""

import argparse

import pytest

from core.command import OneLineParser, add_set_argument, assignment
from core.config import PRESETS, TrainConfig, preset_config


@pytest.mark.parametrize("word", ["none", "None", "null"])
@pytest.mark.parametrize("field", ["drops_to_stop", "weights", "image_size"])
def test_three_words_say_that_a_field_is_left_open(field: str, word: str) -> None:
    assert assignment(f"{field}={word}") == (field, None)


def test_none_stays_a_word_where_a_field_cannot_be_left_open() -> None:
    assert assignment("feature_activation=none") == ("feature_activation", "none")
    assert assignment("augmentation=none") == ("augmentation", "none")


@pytest.mark.parametrize("dataset", ["", *PRESETS])
def test_every_field_is_taken_as_it_is_printed(dataset: str) -> None:
    config = preset_config(dataset) if dataset else TrainConfig()
    for name, value in config.to_dict().items():
        assert assignment(f"{name}={value}") == (name, value)


def test_an_option_is_taken_by_its_dotted_name() -> None:
    assert assignment("jigsaw.pieces_per_side=[4, 2, 1]") == ("jigsaw.pieces_per_side", [4, 2, 1])
    assert assignment("jigsaw.whole_weight=3") == ("jigsaw.whole_weight", 3)
    with pytest.raises(argparse.ArgumentTypeError, match=r"mean 'jigsaw\.whole_weight'"):
        assignment("jigsaw.whole_wieght=3")


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
