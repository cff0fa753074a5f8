"""Two characters that differ in one component, written by one hand.

Shape letters: P pairs, C channels, H height, W width, A attributes.
"""

from collections.abc import Iterator, Sequence
from itertools import permutations
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from core.data.bundled.kanji._attributes import Attribute, choose_columns, flags
from core.data.bundled.kanji._dataset import read_characters
from core.data.bundled.kanji._drawing import Component, Drawing
from core.data.bundled.kanji._hand import Stream, draw_hand, stream
from core.data.bundled.kanji._params import KanjiParams
from core.data.bundled.kanji._render import render
from core.data.counterfactual import CounterfactualPairs
from core.data.types import Split
from core.errors import ConfigError


class Exchange(NamedTuple):
    """Two characters, by class; the second has another component in the place of the first's."""

    before: int
    after: int
    removed: str
    added: str


def kanji_pairs(
    params: KanjiParams | None = None, *, pairs_per_attribute: int = 20
) -> CounterfactualPairs:
    """Draw pairs of characters that differ in one component.

    A component always takes the place of another (持 hold and 時 time: hand and sun beside temple),
    so the labels of a pair differ in both, in the components in them, and in their strokes. Both
    images are of one hand, with one pen, on one paper with one grain, and no image of the data set
    is by that hand. What they share is not the same to the pixel, since a lexicographer's component
    is as wide as its neighbour leaves room for. Standard drawings are shown, no variants.

    Parameters
    ----------
    params
        What to draw; None for the defaults.
    pairs_per_attribute
        Pairs made for each component that is a column and can be exchanged, at least 1. Half of
        them add it and half remove it; the characters take turns.

    Returns
    -------
    CounterfactualPairs
        In the order of the attributes. Images are uint8, (P, 1, image_size, image_size).

    Raises
    ------
    ConfigError
        If `pairs_per_attribute` is below 1, or if the extra is not installed.
    """
    if pairs_per_attribute < 1:
        raise ConfigError(
            f"`pairs_per_attribute` must be at least 1, but got {pairs_per_attribute}."
        )
    params = params or KanjiParams()
    drawings_K = [drawings[0] for drawings in read_characters()]
    columns = choose_columns(drawings_K)
    every = list(exchanges(drawings_K))
    chosen = [
        (column, exchange, turn)
        for column, attribute in enumerate(columns)
        if attribute.kind == "component"
        for exchange, turn in _turns(attribute, every, pairs_per_attribute)
    ]
    befores = [_draw(params, drawings_K, x, x.before, turn) for _, x, turn in chosen]
    afters = [_draw(params, drawings_K, x, x.after, turn) for _, x, turn in chosen]
    flags_KA = np.stack([flags(drawing, columns) for drawing in drawings_K])
    labels_P = np.array([x.before for _, x, _ in chosen], dtype=np.int64)
    return CounterfactualPairs(
        before=Split(
            images_NCHW=np.stack(befores), labels_N=labels_P, attributes_NA=flags_KA[labels_P]
        ),
        after=Split(
            images_NCHW=np.stack(afters),
            labels_N=labels_P,
            attributes_NA=flags_KA[[x.after for _, x, _ in chosen]],
        ),
        changed_P=np.array([column for column, _, _ in chosen], dtype=np.int64),
    )


def exchanges(drawings_K: Sequence[Drawing]) -> Iterator[Exchange]:
    """Yield all ordered pairs of characters that differ in exactly one component."""
    for before, after in permutations(range(len(drawings_K)), 2):
        found = exchanged(drawings_K[before].whole, drawings_K[after].whole)
        if found is not None:
            yield Exchange(before, after, *found)


def exchanged(first: Component, second: Component) -> tuple[str, str] | None:
    """The innermost component of each that the other lacks, if that is the whole difference.

    Both must have the same number of parts, at least two, in the same places, and as many strokes
    outside of them.
    """
    if len(first.parts) != len(second.parts) or len(first.parts) < 2:
        return None
    if first.num_loose_strokes != second.num_loose_strokes:
        return None
    unlike = []
    for a, b in zip(first.parts, second.parts, strict=True):
        # Where a component stands is not told of all of them.
        if a.place != b.place and a.place is not None and b.place is not None:
            return None
        if a.element != b.element:
            unlike.append((a, b))
    if len(unlike) != 1:
        return None
    ((a, b),) = unlike
    return exchanged(a, b) or (a.element, b.element)


def _turns(
    attribute: Attribute, every: Sequence[Exchange], count: int
) -> Iterator[tuple[Exchange, int]]:
    """Deal out exchanges that add and that remove by turns; and how often each came before."""
    sides = (
        [x for x in every if x.added == attribute.value],
        [x for x in every if x.removed == attribute.value],
    )
    if not sides[0]:
        return
    for index in range(count):
        # Every exchange that adds is one that removes the other way round.
        side = sides[index % 2]
        turn, place = divmod(index // 2, len(side))
        yield side[place], turn


def _draw(
    params: KanjiParams, drawings_K: Sequence[Drawing], exchange: Exchange, label: int, turn: int
) -> npt.NDArray[np.uint8]:
    hand_of = (params.seed, exchange.before, params.images_per_character + turn)
    return render(
        drawings_K[label],
        draw_hand(stream(*hand_of, Stream.HAND)),
        params.image_size,
        stream(*hand_of, Stream.GRAIN),
    )
