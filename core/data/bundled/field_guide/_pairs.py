"""Birds drawn twice, with one attribute changed.

Shape letters: P pairs, C channels, H height, W width, A attributes.
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from core.data.bundled.field_guide._annotate import shown_attributes
from core.data.bundled.field_guide._attributes import ATTRIBUTES
from core.data.bundled.field_guide._changes import Change, changes
from core.data.bundled.field_guide._params import FieldGuideParams
from core.data.bundled.field_guide._render import render
from core.data.bundled.field_guide._scene import compose
from core.data.bundled.field_guide._species import SPECIES, Species
from core.data.bundled.field_guide._specimen import Specimen, Stream, draw_specimen, stream
from core.data.counterfactual import CounterfactualPairs
from core.data.types import Split
from core.errors import ConfigError

_MOST_TRIES = 50
"""Individuals of a species to look for one on which the change is in sight."""


class _Drawn(NamedTuple):
    image_CHW: npt.NDArray[np.uint8]
    attributes_A: npt.NDArray[np.bool_]


def field_guide_pairs(
    params: FieldGuideParams | None = None,
    *,
    pairs_per_attribute: int = 20,
    exchanges: bool = False,
) -> CounterfactualPairs:
    """Draw pairs of birds that differ in one attribute.

    The bird before is an individual of some species that no image of the data set shows, with
    nothing hidden. The bird after is the same individual in the same pose, place, light and noise,
    with one mark of its species' record changed. Outside what that mark draws, both images are the
    same to the pixel. Longer legs move the perch with the feet; another size draws the whole bird
    anew, with the feet where they were.

    Attributes of both are the annotator's, who does not err here. A pair is left out if they differ
    in other attributes as well, or not at all because the change does not fit the image.

    Parameters
    ----------
    params
        What to draw; None for the defaults. `label_noise` and `hide_probability` are not used.
    pairs_per_attribute
        Pairs made for each attribute, at least 1. Half of them add it and half remove it where both
        can be; species take turns.
    exchanges
        Whether to make pairs for the attributes of marks that always carry one as well (a red bill
        turns yellow): these differ in two attributes. Without, these attributes have no pairs.

    Returns
    -------
    CounterfactualPairs
        In the order of the attributes. Images are uint8, (P, 3, image_size, image_size).

    Raises
    ------
    ConfigError
        If `pairs_per_attribute` is below 1.

    Examples
    --------
    >>> pairs = field_guide_pairs(pairs_per_attribute=2)
    >>> ATTRIBUTES[pairs.changed_P[0]].name, len(pairs)
    ('has_bill_length::long', 32)
    """
    if pairs_per_attribute < 1:
        raise ConfigError(
            f"`pairs_per_attribute` must be at least 1, but got {pairs_per_attribute}."
        )
    params = params or FieldGuideParams()
    befores: list[_Drawn] = []
    afters: list[_Drawn] = []
    labels: list[int] = []
    changed: list[int] = []
    for column, attribute in enumerate(ATTRIBUTES):
        possible = list(changes(attribute, exchanges=exchanges))
        for change, turn in _turns(possible, pairs_per_attribute):
            pair = _draw_pair(params, change, column, turn)
            if pair is None:
                continue
            befores.append(pair[0])
            afters.append(pair[1])
            labels.append(change.species_index)
            changed.append(column)
    return CounterfactualPairs(
        before=_as_split(befores, labels),
        after=_as_split(afters, labels),
        changed_P=np.array(changed, dtype=np.int64),
    )


def _turns(possible: list[Change], count: int) -> Iterator[tuple[Change, int]]:
    """Deal out the changes, those that add and remove by turns; and how often each came before."""
    sides = [[x for x in possible if x.adds], [x for x in possible if not x.adds]]
    sides = [side for side in sides if side]
    if not sides:
        return
    for index in range(count):
        side = sides[index % len(sides)]
        round_, place = divmod(index // len(sides), len(side))
        yield side[place], round_


def _draw_pair(
    params: FieldGuideParams, change: Change, column: int, turn: int
) -> tuple[_Drawn, _Drawn] | None:
    """The first individual of this turn whose attributes differ as the change says; None if none.

    Each turn looks at individuals of its own.
    """
    species = SPECIES[change.species_index]
    mark = ATTRIBUTES[column].mark
    expected_A = np.array(
        [
            attribute.mark == mark
            and attribute.holds_for(species) != attribute.holds_for(change.changed)
            for attribute in ATTRIBUTES
        ]
    )
    first = params.images_per_species + turn * _MOST_TRIES
    for image_index in range(first, first + _MOST_TRIES):
        bird = (params.seed, change.species_index, image_index)
        specimen = draw_specimen(*bird, 0.0)
        shown_A, changed_A = (
            shown_attributes(compose(specimen, record, standing_as=species), record)
            for record in (species, change.changed)
        )
        if np.array_equal(shown_A != changed_A, expected_A):
            return (
                _draw(params, bird, specimen, species, species),
                _draw(params, bird, specimen, change.changed, species),
            )
    return None


def _draw(
    params: FieldGuideParams,
    bird: tuple[int, int, int],
    specimen: Specimen,
    record: Species,
    standing_as: Species,
) -> _Drawn:
    scene = compose(specimen, record, standing_as=standing_as)
    image_CHW = render(scene, specimen, params.image_size, stream(*bird, Stream.GRAIN))
    return _Drawn(image_CHW, shown_attributes(scene, record))


def _as_split(drawn: list[_Drawn], labels: list[int]) -> Split:
    return Split(
        images_NCHW=np.stack([x.image_CHW for x in drawn]),
        labels_N=np.array(labels, dtype=np.int64),
        attributes_NA=np.stack([x.attributes_A for x in drawn]),
    )
