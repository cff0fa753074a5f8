"""The contract between the search space and the config."""

from core.config import TrainConfig
from search_spaces.joint import PAPER_DEFAULTS, SPACE


def test_every_key_is_a_config_field_and_every_end_is_legal() -> None:
    for key, distribution in SPACE.items():
        ends = getattr(distribution, "choices", None) or (distribution.low, distribution.high)  # type: ignore[attr-defined]
        for value in ends:
            TrainConfig().replace({key: value})


def test_first_point_is_the_papers_setting_and_lies_in_the_space() -> None:
    assert PAPER_DEFAULTS.keys() == SPACE.keys()
    defaults = TrainConfig().to_dict()
    for key, value in PAPER_DEFAULTS.items():
        assert value == defaults[key]
        assert SPACE[key]._contains(SPACE[key].to_internal_repr(value))
