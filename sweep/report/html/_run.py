"""One trained run as a page shows it: its attributes, its tree, its rules, what it discovered.

This room alone of the reports asks `core`: MLflow holds the weights, but the pictures are the
data set's.
"""

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from core.data import PACKED_DATASETS, Dataset, load_dataset
from core.errors import CoreError
from core.extractor import AttributeMatch, TrainedExtractor, rule_text
from core.gallery import (
    AttributePictures,
    Gallery,
    Picture,
    TestPictures,
    TreeTest,
    gallery,
    tree_tests,
)
from core.tree import rules
from sweep.errors import SweepError
from sweep.report.html._images import data_uri, is_tiny
from sweep.report.html._tree_drawing import TreeDrawing, tree_drawing
from sweep.report.html._words import in_words
from sweep.tracking.results import FinishedTrial, SweepResults

MOST_ATTRIBUTES = 40
"""Attributes with pictures; a table holds all."""

MOST_TESTS = 24
MOST_CLASSES = 8
"""Classes shown of a test, half of them where it fires most and half where it fires least."""

_PICTURES = 8
_FILES = ("extractor.json", "weights.safetensors", "tree.json")


@dataclass(frozen=True, kw_only=True)
class Shown:
    """A picture on the page."""

    uri: str
    alternative: str
    caption: str
    mark: str
    """"right" or "wrong" where the picture says whether an attribute is really there, or ""."""

    is_tiny: bool
    width: int
    height: int


@dataclass(frozen=True, kw_only=True)
class AttributeView:
    """An attribute with the entry of b(v) that matches it."""

    match: AttributeMatch
    rule: str
    fires: Sequence[Shown] = ()
    missed: Sequence[Shown] = ()
    num_fires: int = 0
    num_missed: int = 0


@dataclass(frozen=True, kw_only=True)
class ClassView:
    """A class under a test of the tree."""

    name: str
    share: float
    pictures: Sequence[Shown]


@dataclass(frozen=True, kw_only=True)
class TestView:
    """A discovered attribute."""

    test: TreeTest
    names: Sequence[str]
    """Attributes whose match on this feature is informative, with their F1s, best first."""

    classes: Sequence[ClassView]
    num_left_out: int
    """Classes that are not shown."""


@dataclass(frozen=True, kw_only=True)
class RunView:
    """All that the page says of a run."""

    run_id: str
    name: str
    why: str
    facts: Sequence[tuple[str, str]]
    notices: Sequence[str]
    attributes: Sequence[AttributeView]
    """Those of a match, the largest held-out gain over the floor first."""

    num_pictured: int
    tree: TreeDrawing | None
    rules: Sequence[tuple[str, Sequence[str]]]
    """For each class its leaves in words."""

    tests: Sequence[TestView]
    num_tests: int


def run_view(
    results: SweepResults,
    trial: FinishedTrial,
    *,
    name: str,
    why: str,
    facts: Sequence[tuple[str, str]],
    places: Mapping[str, str],
) -> RunView:
    """Read a run's network from MLflow and look at its data set through it.

    Parameters
    ----------
    name, why, facts
        What the run is called, why it is on the page, and its numbers.
    places
        Where packed data sets lie, by name.

    Raises
    ------
    SweepError
        If its files, or its data where a place is given, cannot be read or are others than the
        run's.
    """
    held = results.artifacts(trial)
    if _FILES[0] not in held:
        notice = "The method of this run has no levels, so there is no attribute to look at."
        return _view(trial, name, why, facts, notices=[notice])
    with tempfile.TemporaryDirectory() as folder:
        for file in _FILES:
            if file in held:
                results.artifact(trial, file, Path(folder))
        try:
            trained = TrainedExtractor.load(folder)
            dataset, notices = _data(trained, trial, places)
            shown = None if dataset is None else gallery(trained, dataset)
        except CoreError as error:
            raise SweepError(f"Run {trial.run_id} cannot be looked at: {error}") from error
    return _view(trial, name, why, facts, notices=notices, trained=trained, shown=shown)


def _data(
    trained: TrainedExtractor, trial: FinishedTrial, places: Mapping[str, str]
) -> tuple[Dataset | None, list[str]]:
    config = trained.config
    if config.dataset in PACKED_DATASETS and config.dataset not in places:
        return None, [
            f"No pictures: {config.dataset} is packed, and no --data said where it lies here."
        ]
    dataset = load_dataset(
        config.dataset,
        data=places.get(config.dataset),
        images=config.image_options,
        split_seed=config.split_seed,
    )
    if trial.dataset_fingerprint not in (None, dataset.fingerprint):
        return None, [
            f"No pictures: this machine's {config.dataset} has fingerprint "
            f"{dataset.fingerprint[:12]}, but the run saw {str(trial.dataset_fingerprint)[:12]}."
        ]
    return dataset, []


def _view(
    trial: FinishedTrial,
    name: str,
    why: str,
    facts: Sequence[tuple[str, str]],
    *,
    notices: Sequence[str],
    trained: TrainedExtractor | None = None,
    shown: Gallery | None = None,
) -> RunView:
    notices = list(notices)
    attributes: list[AttributeView] = []
    drawing, by_class, tests, num_tests = None, [], [], 0
    if trained is not None:
        matches = sorted(trained.matches, key=_gain, reverse=True)
        attributes = [
            _attribute(match, shown if place < MOST_ATTRIBUTES else None)
            for place, match in enumerate(matches)
        ]
        class_names = [str(value) for value in trained.classes]
        if trained.tree is None:
            notices.append("The method of this run has no tree: no drawing, no rules, no tests.")
        else:
            drawing = tree_drawing(trained.tree, trained.matches, class_names)
            by_class = _rules(trained, class_names)
            num_tests = len(tree_tests(trained.tree))
            if shown is not None:
                tests = [_test(found, matches) for found in shown.tests(MOST_TESTS)]
    return RunView(
        run_id=trial.run_id,
        name=name,
        why=why,
        facts=facts,
        notices=notices,
        attributes=attributes,
        num_pictured=0 if shown is None else min(MOST_ATTRIBUTES, len(attributes)),
        tree=drawing,
        rules=by_class,
        tests=tests,
        num_tests=num_tests,
    )


def _gain(match: AttributeMatch) -> float:
    f1 = match.f1 if match.heldout_f1 is None else match.heldout_f1
    return f1 - match.floor


def _attribute(match: AttributeMatch, shown: Gallery | None) -> AttributeView:
    sign = "=" if match.polarity else "≠"
    rule = f"feature {match.feature} {sign} level {match.level}"
    if shown is None:
        return AttributeView(match=match, rule=rule)
    found: AttributePictures = shown.attribute(match.attribute, _PICTURES)
    column = shown.dataset.attribute_names.index(match.attribute)
    has_N = shown.split.attributes_NA[:, column]
    return AttributeView(
        match=match,
        rule=rule,
        fires=[_shown(picture, has=bool(has_N[picture.row])) for picture in found.fires],
        missed=[_shown(picture) for picture in found.missed],
        num_fires=found.num_fires,
        num_missed=found.num_missed,
    )


def _test(found: TestPictures, matches: Sequence[AttributeMatch]) -> TestView:
    on_feature = sorted(
        (m for m in matches if m.feature == found.test.feature and m.is_informative),
        key=lambda match: -match.f1,
    )
    kept = list(found.classes)
    if len(kept) > MOST_CLASSES:
        kept = kept[: MOST_CLASSES // 2] + kept[-(MOST_CLASSES // 2) :]
    return TestView(
        test=found.test,
        names=[
            f"{'' if match.polarity else 'not '}level {match.level} matches "
            f"{in_words(match.attribute)} (F1 {100 * match.f1:.0f} %)"
            for match in on_feature
        ],
        classes=[
            ClassView(
                name=of_class.class_name,
                share=of_class.share,
                pictures=[_shown(picture) for picture in of_class.pictures],
            )
            for of_class in kept
        ],
        num_left_out=len(found.classes) - len(kept),
    )


def _rules(
    trained: TrainedExtractor, class_names: Sequence[str]
) -> list[tuple[str, Sequence[str]]]:
    if trained.tree is None:
        raise TypeError("Rules are a tree's.")
    by_class: dict[str, list[str]] = {}
    for rule in rules(trained.tree):
        when = rule_text(trained.tree, rule, trained.matches)
        text = f"{when} — {rule.share:.0%} of {rule.num_samples} training images"
        by_class.setdefault(class_names[rule.top_class], []).append(text)
    return list(by_class.items())


def _shown(picture: Picture, *, has: bool | None = None) -> Shown:
    fires = "fires" if picture.fires else "does not fire"
    has_it = {None: "", True: "; has the attribute", False: "; lacks the attribute"}[has]
    return Shown(
        uri=data_uri(picture.image),
        alternative=f"{picture.class_name}, level {picture.level}, {fires}{has_it}",
        caption=picture.class_name,
        mark={None: "", True: "right", False: "wrong"}[has],
        is_tiny=is_tiny(picture.image),
        width=picture.image.width,
        height=picture.image.height,
    )
