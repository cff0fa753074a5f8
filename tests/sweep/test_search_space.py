"""The spaces, what flags make of them, and the contract between them and the config."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

from core.config import TrainConfig
from search_spaces import Condition, Space, SpaceError, load_space, space_names


@pytest.mark.parametrize("name", space_names())
def test_every_key_is_a_config_field_and_every_end_is_legal(name: str) -> None:
    space = load_space(name)
    for key, kind in space.varies.items():
        ends = getattr(kind, "choices", None) or (kind.low, kind.high)  # type: ignore[attr-defined]
        for value in ends:
            TrainConfig().replace({key: value})
    TrainConfig().replace(space.first)


def test_the_joint_space_begins_at_the_papers_setting() -> None:
    space = load_space("joint")
    assert space.first.keys() == space.varies.keys()
    defaults = TrainConfig().to_dict()
    assert all(value == defaults[key] for key, value in space.first.items())


def test_a_key_that_does_not_matter_is_in_no_point() -> None:
    space = load_space("penalty").narrowed("mask_probability", "0.5,1")
    points = list(space.points())
    assert [dict(p) for p in points if p["sparsity_weight"] == 0] == [{"sparsity_weight": 0.0}]
    assert len(points) == 1 + 5 * 2 * 2
    # Two points that were the same run would be trained once and counted twice.
    assert len({TrainConfig().replace(p).hash for p in points}) == len(points)


SPACE = Space(
    varies={
        "label_weight": FloatDistribution(0.1, 10.0, log=True),
        "num_bits": IntDistribution(2, 8),
        "sparsity_norm": CategoricalDistribution(("l1", "l2")),
    },
    first={"label_weight": 2.0, "num_bits": 4, "sparsity_norm": "l1"},
)


def test_a_range_keeps_scale_and_kind() -> None:
    narrowed = SPACE.narrowed("label_weight", "0.5:4")
    assert narrowed.varies["label_weight"] == FloatDistribution(0.5, 4.0, log=True)
    assert narrowed.first == SPACE.first
    assert SPACE.narrowed("num_bits", "2,8").varies["num_bits"] == CategoricalDistribution((2, 8))
    assert SPACE.narrowed("num_bits", "5:8").first == {}
    assert SPACE.narrowed("sparsity_norm", "l2").varies["sparsity_norm"].single()


def test_a_fixed_key_is_not_searched() -> None:
    fixed = SPACE.fixed("num_bits")
    assert list(fixed.varies) == ["label_weight", "sparsity_norm"]
    assert fixed.first == {"label_weight": 2.0, "sparsity_norm": "l1"}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda: SPACE.narrowed("num_bits", "8:2"), "no range of 2 to 8"),
        (lambda: SPACE.narrowed("num_bits", "2"), "no range of 2 to 8"),
        (lambda: SPACE.narrowed("sparsity_norm", "l3"), "'l3' is none of its choices"),
        (lambda: SPACE.narrowed("bits", "2:8"), "'bits' is not searched"),
        (lambda: SPACE.fixed("seed"), "'seed' is not searched"),
        (lambda: list(SPACE.points()), "Every point can be tried only where there is one"),
        (lambda: load_space("penalty").fixed("sparsity_weight"), "depends on it"),
        (lambda: load_space("joined"), "There is no space 'joined'"),
        (lambda: load_space("nowhere.py"), "is no file"),
        (
            lambda: Space(varies=SPACE.varies, first={"num_bits": 9}),
            "num_bits=9, which lies outside of 2 to 8",
        ),
        (
            lambda: Space(
                varies=SPACE.varies,
                only_if={"label_weight": Condition(key="num_bits", holds=lambda bits: bits > 2)},
            ),
            "'num_bits' first",
        ),
    ],
)
def test_what_cannot_be_is_refused(change: object, message: str) -> None:
    with pytest.raises(SpaceError, match=message):
        change()  # type: ignore[operator]


def test_a_file_of_ones_own_is_a_space(tmp_path: pytest.TempPathFactory) -> None:
    path = str(tmp_path / "mine.py")  # type: ignore[operator]
    with open(path, "w") as file:
        file.write(
            "from optuna.distributions import IntDistribution\n"
            "from search_spaces import Space\n"
            "SPACE = Space(varies={'num_bits': IntDistribution(1, 3)})\n"
        )
    assert [dict(point) for point in load_space(path).points()] == [
        {"num_bits": bits} for bits in (1, 2, 3)
    ]


@given(st.integers(0, 9), st.integers(1, 5), st.integers(1, 4))
def test_points_of_a_stepped_range_are_those_that_it_contains(
    low: int, count: int, step: int
) -> None:
    high = low + (count - 1) * step
    kinds = {
        "whole": IntDistribution(low, high, step=step),
        "real": FloatDistribution(low / 10, high / 10, step=step / 10),
    }
    points = list(Space(varies=kinds).points())
    assert len(points) == count**2
    for point in points:
        for key, kind in kinds.items():
            assert kind._contains(kind.to_internal_repr(point[key]))
