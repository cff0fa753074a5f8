"""The rows of Table 1 as configs."""

import dataclasses

import pytest

from core.config import PRESETS, TrainConfig, preset_config
from core.data import load_dataset
from core.methods import ROWS, check_method
from tests.core.methods.problems import train
from tests.core.small import small_config


@pytest.mark.parametrize("dataset", PRESETS)
def test_every_row_is_a_run_of_its_own_on_every_data_set(dataset: str) -> None:
    base = preset_config(dataset)
    configs = {name: base.replace(changes) for name, changes in ROWS.items()}
    for config in configs.values():
        check_method(config)
        assert config.dataset == dataset
    hashes = {name: config.hash for name, config in configs.items()}
    if base.trunk == "conv":
        # The small net from random weights is what these data sets have anyway.
        assert hashes.pop("ant:scratch") == hashes["ant"]
    assert len(set(hashes.values())) == len(hashes), hashes


def test_rows_at_equal_terms_differ_in_the_method_alone() -> None:
    """Same budget, trunk and first weights; only `scratch` has another trunk."""
    base = preset_config("cub")
    budget = {f.name for f in dataclasses.fields(TrainConfig)} & {
        *("num_epochs", "batch_size", "learning_rate", "drops_to_stop", "augmentation"),
        *("crop_size", "resize_size", "trunk", "weights", "feature_dim", "num_bits"),
    }
    for name, changes in ROWS.items():
        changed = changes.keys() & budget
        assert changed == ({"trunk", "weights"} if name.endswith(":scratch") else set())
    assert base.replace(ROWS["sdt"]).trunk == base.trunk == "pmg:resnet50"
    assert base.replace(ROWS["sdt:scratch"]).trunk == "conv"


def test_the_papers_own_rows_are_one_method() -> None:
    base = small_config()
    assert base.replace(ROWS["intersection"]).hash == base.hash
    quantized, with_l1 = (base.replace(ROWS[name]) for name in ("quantized", "quantized+l1"))
    assert not quantized.has_sparsity_loss
    assert with_l1.has_sparsity_loss
    assert quantized.tree_weight == with_l1.tree_weight == 0


@pytest.mark.parametrize("row", ["sdt", "quantized+sdt"])
def test_soft_trees_learn_digits_in_the_presets_way(row: str) -> None:
    """With tests that all begin near one half they would be at 25 to 70 % even after 15 epochs."""
    config = preset_config("digits").replace({**ROWS[row], "num_epochs": 8})
    _, results = train(config, load_dataset("digits"))
    assert results[-1].minival_accuracy > 0.85
