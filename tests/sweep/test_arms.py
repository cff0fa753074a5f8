"""Arms made from values, put together, and what is refused."""

import pytest

from core.config import TrainConfig, preset_config
from core.data import DATASETS
from core.errors import ConfigError
from sweep.spec import Arms, cross, datasets, grid, one_at_a_time

PLAIN = {"plain": {"tree_weight": 0.0}}
GRID = grid(mask_probability=(0.0, 0.7), sparsity_norm=("l1", "l2"))


def test_a_grid_is_the_product_named_by_its_values() -> None:
    assert dict(GRID) == {
        f"mask_probability={p} sparsity_norm={norm}": {
            "mask_probability": p,
            "sparsity_norm": norm,
        }
        for p in (0.0, 0.7)
        for norm in ("l1", "l2")
    }
    assert grid({"num_bits": (2,)}) == grid(num_bits=(2,))
    assert grid() == {}


def test_arms_cross_axes_and_arms_of_another_kind() -> None:
    methods = {"ours": {}, "quantized": {"tree_weight": 0.0}}
    crossed = cross(methods, feature_dim=(8, 16), num_bits=(2, 4))
    assert len(crossed) == 2 * 2 * 2
    assert crossed["quantized feature_dim=16 num_bits=2"] == {
        "tree_weight": 0.0,
        "feature_dim": 16,
        "num_bits": 2,
    }
    sets = {"digits": {"dataset": "digits"}, "birds": {"dataset": "field_guide", "max_depth": 5}}
    assert cross(methods, sets)["ours birds"] == sets["birds"]
    assert len(cross(methods, sets)) == 4


def test_one_at_a_time_changes_one_field_of_the_base() -> None:
    arms = one_at_a_time(label_weight=(1.0, 3.0), tree_weight=(1.0,))
    assert list(arms.values()) == [
        {},
        {"label_weight": 1.0},
        {"label_weight": 3.0},
        {"tree_weight": 1.0},
    ]


def test_arms_put_together_keep_their_order() -> None:
    assert list(PLAIN | GRID) == ["plain", *GRID]
    assert list(GRID | PLAIN) == [*GRID, "plain"]
    assert isinstance(PLAIN | GRID, Arms)


def test_arms_that_make_no_sense_are_refused() -> None:
    for maker in (grid, one_at_a_time):
        with pytest.raises(ConfigError, match="has no values"):
            maker(mask_probability=())
        with pytest.raises(ConfigError, match="repeats a value"):
            maker(num_bits=(1, 1.0))
        with pytest.raises(ConfigError, match="'num_bits' is given twice"):
            maker({"num_bits": (1,)}, num_bits=(2,))
    for union in (lambda: GRID | GRID, lambda: PLAIN | cross(PLAIN, {}) | GRID | PLAIN):
        with pytest.raises(ConfigError, match="is given twice: name one"):
            union()
    with pytest.raises(ConfigError, match="both set 'tree_weight'"):
        cross(PLAIN, tree_weight=(1.0,))
    with pytest.raises(ConfigError, match="stand among the arms"):
        cross(PLAIN, {"a": {}}, num_bits=(1,))


@pytest.mark.parametrize("own", ["digits", "field_guide", "cub"])
def test_a_data_set_as_an_arm_has_its_own_preset(own: str) -> None:
    base = preset_config(own)
    for name, overrides in datasets(base, DATASETS).items():
        assert base.replace(overrides) == preset_config(name)


def test_what_the_base_changes_holds_for_all_data_sets() -> None:
    changes = {"num_epochs": 3, "sparsity_weight": 0.5, "trunk": "conv", "weights": None}
    base = preset_config("field_guide").replace(changes)
    for name, overrides in datasets(base, ("field_guide", "digits")).items():
        assert base.replace(overrides) == preset_config(name).replace(
            {"num_epochs": 3, "sparsity_weight": 0.5}
        )


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (("digit",), "'digit' is no dataset. Did you mean 'digits'?"),
        (("digits", "digits"), "'digits' is given twice"),
    ],
)
def test_unknown_or_repeated_data_sets_are_refused(names: tuple[str, ...], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        datasets(TrainConfig(), names)
