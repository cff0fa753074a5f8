"""What stands beside a finished run's fidelity: measures, controls, and the gain over no training.

Shape letters: N samples, D features, P pairs.
"""

import functools
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from core.config import ImageOptions, TrainConfig
from core.data import COUNTERFACTUAL_DATASETS, CounterfactualPairs, Dataset, counterfactual_pairs
from core.distributed import rank
from core.evaluation import Evaluation
from core.fidelity import Controls, Counterfactuals, Fidelity, Measures, controls, measures
from core.predict import SplitOutputs, predict_over_workers
from core.recognizer import Recognizer
from core.untrained import evaluate_untrained


@dataclass(frozen=True, kw_only=True, eq=False)
class Assessment:
    """What data and method do not have is None."""

    measures: Measures | None = None
    """None for a method without levels."""

    controls: Controls | None = None
    untrained: Fidelity | None = None
    """None without attributes too."""

    gain: float | None = None
    """Fidelity less that of the same network before training."""

    heldout_gain: float | None = None
    """The same of the held-out fidelities."""

    def scalars(self) -> Mapping[str, float]:
        """All numbers by name; those that do not exist are left out."""
        values: dict[str, float | None] = {"gain": self.gain, "heldout_gain": self.heldout_gain}
        for part in (self.measures, self.controls):
            values |= part.scalars() if part is not None else {}
        if self.untrained is not None:
            values["untrained_score"] = self.untrained.score
            values["untrained_heldout"] = self.untrained.heldout
        return {name: value for name, value in values.items() if value is not None}


def assess(
    config: TrainConfig,
    model: Recognizer,
    dataset: Dataset,
    evaluation: Evaluation,
    *,
    device: torch.device | str = "cpu",
) -> Assessment:
    """Compute what a report shows beside a finished run's fidelity.

    Attributes are read here, once training is over. Choices are made on minival and scored on test;
    the supervised ceiling is fitted on train. Costs a pass over all images, and a second for the
    network before training.

    When `torch.distributed` is initialised, the workers share the images, so all must call this;
    the first gets the numbers, others an empty one.

    Parameters
    ----------
    config, model, dataset
        Of the run.
    evaluation
        Of the same weights.
    device
        Where the network before training runs.

    Examples
    --------
    >>> found = assess(config, state.model, dataset, evaluation)  # doctest: +SKIP
    >>> found.gain, found.measures.one_to_one  # doctest: +SKIP
    (0.15, 0.55)
    """
    if model.num_levels is None:
        return Assessment()
    has_attributes = bool(dataset.attribute_names)
    untrained = evaluate_untrained(config, dataset, device=device) if has_attributes else None
    minival = predict_over_workers(model, dataset.minival)
    test = predict_over_workers(model, dataset.test)
    train = predict_over_workers(model, dataset.train) if has_attributes else None
    pairs = _counterfactuals(model, config)
    if rank() != 0:
        return Assessment()
    chosen_on = (dataset.minival.attributes_NA, _levels(minival))
    fitted_on = None if train is None else (dataset.train.attributes_NA, _levels(train))
    before = None if untrained is None else untrained.fidelity
    after = evaluation.fidelity
    return Assessment(
        measures=measures(
            dataset.test.attributes_NA,
            _levels(test),
            dataset.test.labels_N,
            num_levels=model.num_levels,
            selection=chosen_on if has_attributes else None,
            train=fitted_on,
            counterfactuals=pairs,
        ),
        controls=controls(
            dataset.test.attributes_NA,
            _levels(test),
            dataset.test.labels_N,
            num_levels=model.num_levels,
            selection=(*chosen_on, dataset.minival.labels_N),
            train=fitted_on,
        )
        if has_attributes
        else None,
        untrained=before,
        gain=after.score - before.score if after and before else None,
        heldout_gain=(
            after.heldout - before.heldout
            if after and before and after.heldout is not None and before.heldout is not None
            else None
        ),
    )


def _levels(outputs: SplitOutputs) -> npt.NDArray[np.uint8]:
    if outputs.levels_ND is None:
        raise TypeError("A network with `num_levels` gave no levels.")
    return outputs.levels_ND


def _counterfactuals(model: Recognizer, config: TrainConfig) -> Counterfactuals | None:
    if config.dataset not in COUNTERFACTUAL_DATASETS:
        return None
    pairs = _pairs(config.dataset, config.image_options)
    return Counterfactuals(
        before_attributes_PA=pairs.before.attributes_NA,
        after_attributes_PA=pairs.after.attributes_NA,
        before_levels_PD=_levels(predict_over_workers(model, pairs.before)),
        after_levels_PD=_levels(predict_over_workers(model, pairs.after)),
    )


@functools.lru_cache(maxsize=2)
def _pairs(name: str, images: ImageOptions) -> CounterfactualPairs:
    """Drawn once for all trials of a process."""
    return counterfactual_pairs(name, images=images)
