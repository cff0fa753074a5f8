"""What stands beside a finished run's fidelity, against its parts computed one by one."""

import dataclasses

import numpy as np
import pytest

from core.assessment import Assessment, assess
from core.config import TrainConfig
from core.data import Dataset, Split, load_dataset
from core.evaluation import Evaluation, evaluate
from core.fidelity import Controls, Measures, controls, measures
from core.methods import METHODS
from core.predict import predict_split
from core.recognizer import Recognizer
from core.untrained import evaluate_untrained
from sweep.tracking import metrics
from tests.core.methods.problems import config_of, striped, train
from tests.core.workers import in_workers


def trained(config: TrainConfig, dataset: Dataset) -> tuple[Recognizer, Evaluation]:
    state, _ = train(config, dataset)
    return state.model, evaluate(state.model, state.tree, dataset)


@pytest.mark.parametrize("method", ["intersection", "sdt"])
def test_numbers_are_those_of_the_parts(method: str) -> None:
    """Also for a method that is quantized after training, whose range is fixed before it too."""
    config, dataset = config_of(method), striped()
    model, evaluation = trained(config, dataset)
    found = assess(config, model, dataset, evaluation)
    before = evaluate_untrained(config, dataset).fidelity
    assert before is not None
    assert evaluation.fidelity is not None
    assert found.gain == evaluation.fidelity.score - before.score
    levels = {
        name: predict_split(model, getattr(dataset, name)).levels_ND
        for name in ("train", "minival", "test")
    }
    chosen_on = (dataset.minival.attributes_NA, levels["minival"])
    fitted_on = (dataset.train.attributes_NA, levels["train"])
    arguments = (dataset.test.attributes_NA, levels["test"], dataset.test.labels_N)
    expected_measures = measures(  # type: ignore[misc]
        *arguments, num_levels=model.num_levels, selection=chosen_on, train=fitted_on
    )
    expected_controls = controls(  # type: ignore[misc]
        *arguments,
        num_levels=model.num_levels,
        selection=(*chosen_on, dataset.minival.labels_N),
        train=fitted_on,
    )
    assert found.measures is not None
    assert found.controls is not None
    assert found.measures.scalars() == expected_measures.scalars()
    assert found.controls.scalars() == expected_controls.scalars()
    assert found.scalars().keys() <= set(metrics.ASSESSMENT)
    assert all(map(np.isfinite, found.scalars().values()))


@pytest.mark.parametrize("method", METHODS)
def test_every_method_with_levels_has_its_numbers(method: str) -> None:
    config, dataset = config_of(method, num_epochs=1), striped()
    model, evaluation = trained(config, dataset)
    found = assess(config, model, dataset, evaluation).scalars()
    assert all(map(np.isfinite, found.values()))
    assert ("gain" in found) == (model.num_levels is not None)


def test_a_method_without_levels_has_nothing() -> None:
    config, dataset = config_of("jigsaw"), striped()
    model, evaluation = trained(config, dataset)
    assert assess(config, model, dataset, evaluation).scalars() == {}


def test_without_attributes_there_is_what_needs_none() -> None:
    def bare(split: Split) -> Split:
        return Split(
            images=split.images,
            labels_N=split.labels_N,
            attributes_NA=np.zeros((len(split), 0), dtype=np.bool_),
        )

    dataset = striped()
    without = dataclasses.replace(
        dataset,
        attribute_names=(),
        **{name: bare(getattr(dataset, name)) for name in ("train", "minival", "test")},
    )
    config = config_of("intersection")
    model, evaluation = trained(config, without)
    found = assess(config, model, without, evaluation)
    assert found.scalars().keys() <= {"class_independence"}
    assert found.controls is None


def test_rendered_data_has_pairs() -> None:
    config = TrainConfig(
        dataset="field_guide",
        trunk="conv",
        trunk_width=4,
        feature_dim=8,
        hidden_dim=8,
        num_epochs=1,
    )
    dataset = load_dataset("field_guide")
    model, evaluation = trained(config, dataset)
    found = assess(config, model, dataset, evaluation)
    assert found.measures is not None
    assert found.measures.counterfactual_switch is not None
    assert -1 <= found.measures.counterfactual_switch <= 1


def test_every_number_has_its_key() -> None:
    """The keys that reports know are all that there can be."""
    names = [field.name for field in dataclasses.fields(Measures)]
    assert set(names) <= set(metrics.ASSESSMENT)
    assert {field.name for field in dataclasses.fields(Controls)} == {
        *("shuffled", "shuffled_within_classes", "class_detector", "ceiling")
    }


def _assess(rank: int, world_size: int) -> None:
    config, dataset = config_of("intersection"), striped()
    model, evaluation = trained(config, dataset)
    found = assess(config, model, dataset, evaluation)
    if rank == 0:
        assert found.gain is not None
        assert found.scalars()["probe_f1"] >= 0
    else:
        assert found.scalars() == Assessment().scalars() == {}


def test_workers_share_it_and_the_first_has_it() -> None:
    in_workers(_assess, 2)
