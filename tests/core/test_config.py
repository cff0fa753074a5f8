"""Settings: the paper's defaults, what is refused, and the hash that names a trial."""

import dataclasses
import json
import subprocess
import sys

import pytest

from core.config import FIELD_NAMES, PRESETS, TrainConfig, own_preset, preset_config
from core.config.options import OPTIONS, JigsawOptions
from core.data import DATASETS
from core.errors import ConfigError


def test_defaults_are_the_papers() -> None:
    config = TrainConfig()
    assert (config.label_weight, config.tree_weight, config.sparsity_weight) == (2, 1, 0.001)
    assert (config.mask_probability, config.feature_dim, config.num_bits) == (0.5, 1024, 4)
    assert config.sparsity_norm == "l1"
    assert config.drops_to_stop == 2


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"mask_probability": 1.5}, r"`mask_probability` must lie in \[0, 1\], but got 1.5\."),
        ({"mask_probability": float("nan")}, "`mask_probability` must be a finite number"),
        ({"num_bits": 0}, r"`num_bits` must lie in \[1, 8\], but got 0\."),
        ({"num_bits": 2.5}, "`num_bits` must be an integer, but got 2.5"),
        ({"feature_dim": 0}, "`feature_dim` must be at least 1"),
        ({"feature_dim": True}, "`feature_dim` must be an integer"),
        ({"sparsity_norm": "l3"}, "`sparsity_norm` must be one of 'l1', 'l2', but got 'l3'"),
        ({"sparsity_weight": -1.0}, "`sparsity_weight` must be at least 0"),
        ({"learning_rate": 0.0}, "`learning_rate` must be above 0"),
        ({"momentum": 1.0}, r"`momentum` must lie in \[0, 1\)"),
        ({"drops_to_stop": 0}, "`drops_to_stop` must be at least 1, or None"),
        ({"label_weight": 0.0}, "`label_weight` must be above 0"),
        ({"trunk": 3}, "`trunk` must be a string"),
        ({"accumulation_steps": 0}, "`accumulation_steps` must be at least 1"),
        (
            {"accumulation_steps": 17},
            "`accumulation_steps` must be at most `batch_size`, which is 16, but got 17",
        ),
        ({"frozen_stages": -1}, "`frozen_stages` must be at least 0"),
        ({"channels_last": 1}, "`channels_last` must be true or false, but got 1"),
        ({"compile": "yes"}, "`compile` must be true or false"),
        ({"weights": 5}, "`weights` must be a string or None, but got 5"),
        ({"weights": "imagenet"}, "`weights` must be None, 'hub', 'lite0' or the path of a file"),
        ({"weights_sha256": "0" * 64}, "must be None where `weights` names no file"),
        ({"weights": "w.pth", "weights_sha256": "0f"}, "must be 64 hexadecimal digits"),
        (
            {"method": "jigsw"},
            "`method` must be one of .*'jigsaw', .* but got 'jigsw'",
        ),
        ({"jigsaw.whole_wieght": 1}, "'jigsaw.whole_wieght' is no .* mean 'jigsaw.whole_weight'"),
        ({"jigsaw.whole_weight": 0}, "`jigsaw.whole_weight` must be above 0, but got 0.0"),
        ({"jigsaw.whole_weight": "x"}, "`jigsaw.whole_weight` must be a finite number"),
        ({"jigsaw.pieces_per_side": [2, 2]}, "must be three numbers of at least 1, one a stage"),
        ({"jigsaw.pieces_per_side": 4}, "`jigsaw.pieces_per_side` must be a list of integers"),
        ({"options": ()}, "'options' is no field"),
        ({"sparsity_weigth": 1.0}, "'sparsity_weigth' is no field .* mean 'sparsity_weight'"),
    ],
)
def test_illegal_values_are_refused(values: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        TrainConfig.from_dict(values)


def test_hash_depends_on_values_alone() -> None:
    assert TrainConfig(tree_weight=1).hash == TrainConfig(tree_weight=1.0).hash
    assert TrainConfig(seed=1).hash != TrainConfig().hash
    assert TrainConfig(image_size=96).hash != TrainConfig().hash
    assert TrainConfig.from_dict(TrainConfig(seed=3).to_dict()) == TrainConfig(seed=3)


DEFAULTS = {
    "method": "intersection",
    "dataset": "digits",
    "split_seed": 0,
    "seed": 0,
    "image_size": None,
    "resize_size": None,
    "crop_size": None,
    "augmentation": "none",
    "trunk": "conv",
    "trunk_norm": "batch",
    "trunk_width": 32,
    "weights": None,
    "weights_sha256": None,
    "frozen_stages": 0,
    "feature_dim": 1024,
    "feature_activation": "relu",
    "num_bits": 4,
    "quantizer_range": "batch",
    "hidden_dim": 512,
    "label_weight": 2.0,
    "tree_weight": 1.0,
    "sparsity_weight": 0.001,
    "mask_probability": 0.5,
    "sparsity_norm": "l1",
    "sparsity_divisor": "batch",
    "max_depth": 8,
    "tree_criterion": "information_gain",
    "num_epochs": 200,
    "batch_size": 16,
    "partition": "epoch",
    "learning_rate": 0.002,
    "trunk_learning_rate_scale": 0.1,
    "momentum": 0.9,
    "weight_decay": 0.0005,
    "schedule": "cosine",
    "update": "sequential",
    "drops_to_stop": 2,
    "precision": "fp32",
    "accumulation_steps": 1,
    "channels_last": False,
    "compile": False,
}


def test_defaults_are_frozen() -> None:
    """Runs are known by what differs from these: a new value for one is a new SCHEMA.

    A field that is added goes into this table with its default, and changes no hash.
    """
    assert TrainConfig().to_dict() == DEFAULTS
    assert TrainConfig().identity() == {"schema": 1}


def test_hashes_of_this_schema_are_frozen() -> None:
    assert TrainConfig().hash == "67d6291b3014"
    assert TrainConfig(seed=1, sparsity_norm="l2").hash == "aca423cc6d51"
    assert TrainConfig(seed=1, mask_probability=0, dataset="field_guide").hash == "19e127e02b32"


def test_a_field_that_is_added_changes_no_hash_until_it_is_set() -> None:
    @dataclasses.dataclass(frozen=True, kw_only=True)
    class Later(TrainConfig):
        added: str | None = None

    assert Later(seed=2).hash == TrainConfig(seed=2).hash
    assert Later(seed=2, added="x").hash != TrainConfig(seed=2).hash


def test_options_are_those_of_their_method() -> None:
    config = TrainConfig(method="jigsaw").replace({"jigsaw.pieces_per_side": [4, 2, 1]})
    assert config.method_options == JigsawOptions(pieces_per_side=(4, 2, 1))
    assert config.identity() == {
        "schema": 1,
        "method": "jigsaw",
        "jigsaw.pieces_per_side": [4, 2, 1],
    }
    assert config.params()["jigsaw.whole_weight"] == 2.0
    assert TrainConfig.from_dict(json.loads(json.dumps(config.to_dict()))) == config
    # Another method's options and fields that a method does not read are no part of a run.
    other = config.replace({"method": "intersection"})
    assert other.hash == TrainConfig().hash
    assert not any("." in name for name in other.params())
    assert config.replace({"max_depth": 3, "sparsity_weight": 0.0}).hash == config.hash
    assert "max_depth" not in config.params()


@pytest.mark.parametrize(
    ("base", "other"),
    [
        ({}, {"seed": 2, "jigsaw.whole_weight": 3}),
        ({"jigsaw.whole_weight": 3, "num_bits": 2}, {"method": "jigsaw"}),
        (
            {"jigsaw.whole_weight": 3},
            {"jigsaw.whole_weight": 4, "jigsaw.pieces_per_side": [2, 2, 2]},
        ),
    ],
)
def test_changes_lead_from_one_config_to_another(
    base: dict[str, object], other: dict[str, object]
) -> None:
    first, second = TrainConfig.from_dict(base), TrainConfig.from_dict(other)
    assert first.replace(second.changes_from(first)) == second
    assert second.replace(first.changes_from(second)) == first
    assert first.changes_from(first) == {}


def test_an_option_with_its_default_is_no_change() -> None:
    config = TrainConfig(method="jigsaw")
    assert config.replace({"jigsaw.whole_weight": 2}) == config
    assert config.replace({"jigsaw.whole_weight": 3}).replace({"jigsaw.whole_weight": 2}) == config
    assert hash(config.replace({"jigsaw.pieces_per_side": [4, 4, 4]})) is not None


def test_an_unknown_method_is_told_with_the_nearest_one() -> None:
    with pytest.raises(ConfigError, match=r"but got 'jigsw'\. Did you mean 'jigsaw'\?"):
        TrainConfig(method="jigsw")


def test_a_method_may_leave_a_width_unread_that_its_trunk_has_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    unread = JigsawOptions.unread | {"trunk_width"}
    monkeypatch.setattr(JigsawOptions, "unread", unread)
    config = TrainConfig(method="jigsaw", trunk="pmg:resnet18")
    assert "trunk_width" not in config.params()
    assert config.replace({"trunk_width": 8}).hash == config.hash


def test_every_method_has_options_and_reads_real_fields() -> None:
    for name, options in OPTIONS.items():
        assert options.method == name
        assert options.unread <= set(FIELD_NAMES) - {"method", "seed", "dataset"}
        assert TrainConfig(method=name).method_options == options()


def test_hash_is_the_same_in_a_new_process() -> None:
    code = "from core.config import TrainConfig; print(TrainConfig(seed=5).hash)"
    output = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
    assert output.stdout.decode().strip() == TrainConfig(seed=5).hash


def test_every_preset_is_legal_and_belongs_to_a_dataset() -> None:
    for name in PRESETS:
        assert name in DATASETS
        assert preset_config(name).dataset == name


@pytest.mark.parametrize(
    ("num_classes", "num_train", "side", "expected"),
    [
        (2, 10, 4, {"max_depth": 1, "num_epochs": 120, "crop_size": 8}),
        (12, 400, 40, {"max_depth": 4, "num_epochs": 40, "crop_size": 40}),
        (16, 533, 64, {"max_depth": 4, "num_epochs": 31, "crop_size": 64}),
        (17, 100000, 4000, {"max_depth": 5, "num_epochs": 30, "crop_size": 64}),
    ],
)
def test_a_preset_of_ones_own_follows_the_data(
    num_classes: int, num_train: int, side: int, expected: dict[str, int]
) -> None:
    preset = own_preset(num_classes=num_classes, num_train=num_train, side=side)
    assert {key: preset[key] for key in expected} == expected
    assert preset["resize_size"] == preset["crop_size"]
    assert TrainConfig().replace(preset).image_options.decodes
