"""Which changes of a species' record add or remove one attribute."""

from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from typing import Any, NamedTuple, get_args, get_type_hints

from core.data.bundled.field_guide._attributes import ATTRIBUTES, Attribute
from core.data.bundled.field_guide._species import SPECIES, Species


class Change(NamedTuple):
    """A species of the guide and the record that it is changed into, one mark of it."""

    species_index: int
    changed: Species
    adds: bool
    """Whether the attribute is there after the change, and not before."""


def changes(attribute: Attribute, *, exchanges: bool) -> Iterator[Change]:
    """Yield every change that adds or removes `attribute`, species by species.

    A mark such as the crown's colour has a value that carries no attribute (as the back), from
    which and to which a change is of one attribute alone. A bill has some shape: where a mark has
    no such value, its changes put one attribute in place of another, and come with `exchanges`
    only. No change gives a bird on which a mark cannot be seen.
    """
    values = _values(attribute.mark)
    others = [value for value in values if value != attribute.value]
    without = [value for value in others if not _carries(attribute.mark, value)]
    if not without and exchanges:
        without = others
    for species_index, species in enumerate(SPECIES):
        value = getattr(species, attribute.mark)
        if value == attribute.value:
            records = [_with(species, attribute.mark, other) for other in without]
        elif value in without:
            records = [_with(species, attribute.mark, attribute.value)]
        else:
            continue
        for record in records:
            if shows_all_marks(record):
                yield Change(species_index, record, attribute.holds_for(record))


def shows_all_marks(species: Species) -> bool:
    """Whether no mark is lost against what lies beneath it."""
    if species.back_color == "black" and (
        species.crown_color == "as_back" or species.head_pattern == "mask"
    ):
        # A black head is a black crown, and a mask on it cannot be seen.
        return False
    return not (species.head_pattern == "eyebrow" and species.crown_color == "white")


@cache
def _values(mark: str) -> tuple[str, ...]:
    """What a mark can be, as the record's type says."""
    return get_args(get_type_hints(Species)[mark])


def _carries(mark: str, value: str) -> bool:
    return any(other.mark == mark and other.value == value for other in ATTRIBUTES)


def _with(species: Species, mark: str, value: str) -> Species:
    change: dict[str, Any] = {mark: value}
    return replace(species, **change)
