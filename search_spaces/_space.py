"""A search space as data: what may vary, where a search begins, and what depends on what."""

import itertools
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)


class SpaceError(ValueError):
    """A space that cannot be, or a change to one that makes no sense."""


@dataclass(frozen=True, kw_only=True)
class Condition:
    """A key is searched only where another one has certain values."""

    key: str
    """The other key; it stands before the one that depends on it."""

    holds: Callable[[Any], bool]
    """Of the other key's value."""


@dataclass(frozen=True, kw_only=True)
class Space:
    """What a search may vary.

    Raises
    ------
    SpaceError
        If `first` or `only_if` speak of keys that are not searched, or of values outside.

    Examples
    --------
    >>> space = Space(
    ...     varies={
    ...         "weight": CategoricalDistribution((0.0, 0.1)),
    ...         "norm": CategoricalDistribution(("l1", "l2")),
    ...     },
    ...     only_if={"norm": Condition(key="weight", holds=lambda weight: weight > 0)},
    ... )
    >>> [dict(point) for point in space.points()]
    [{'weight': 0.0}, {'weight': 0.1, 'norm': 'l1'}, {'weight': 0.1, 'norm': 'l2'}]
    """

    varies: Mapping[str, BaseDistribution]
    """Distribution by key, in the order in which they are drawn."""

    first: Mapping[str, Any] = field(default_factory=dict)
    """The first point of a search: all keys, or none if there is no such point."""

    only_if: Mapping[str, Condition] = field(default_factory=dict)
    """Of the keys that do not always matter."""

    def __post_init__(self) -> None:
        order = list(self.varies)
        for key, condition in self.only_if.items():
            if key not in order or condition.key not in order[: order.index(key)]:
                raise SpaceError(
                    f"{key!r} is searched only if {condition.key!r} is of some kind, so both must "
                    f"be searched, {condition.key!r} first; the space has {', '.join(order)}."
                )
        for key, value in self.first.items():
            if key not in self.varies:
                raise SpaceError(f"The first point sets {key!r}, which the space does not search.")
            if not contains(self.varies[key], value):
                raise SpaceError(
                    f"The first point has {key}={value}, which lies outside of "
                    f"{describe(self.varies[key])}."
                )

    def is_searched(self, key: str, point: Mapping[str, Any]) -> bool:
        """Whether a key matters where those before it are as `point` has them."""
        condition = self.only_if.get(key)
        if condition is None:
            return True
        return condition.key in point and condition.holds(point[condition.key])

    def points(self) -> Iterator[Mapping[str, Any]]:
        """Every point once, the last key changing fastest.

        Raises
        ------
        SpaceError
            If a key can take any number in a range.
        """
        choices = {key: _choices(key, kind) for key, kind in self.varies.items()}
        seen = set()
        for values in itertools.product(*choices.values()):
            point: dict[str, Any] = {}
            for key, value in zip(choices, values, strict=True):
                if self.is_searched(key, point):
                    point[key] = value
            if tuple(point.items()) not in seen:
                seen.add(tuple(point.items()))
                yield point

    def fixed(self, key: str) -> "Space":
        """The same without a key, which then keeps the value of the base config.

        Raises
        ------
        SpaceError
            If the key is not searched, or another one depends on it.
        """
        self._check_searched(key)
        for other, condition in self.only_if.items():
            if condition.key == key:
                raise SpaceError(f"{key!r} cannot be fixed, since {other!r} depends on it.")
        return replace(
            self,
            varies=_without(self.varies, key),
            first=_without(self.first, key),
            only_if=_without(self.only_if, key),
        )

    def narrowed(self, key: str, words: str) -> "Space":
        """The same with another range of a key: "LOW:HIGH" for numbers, or "A,B,C".

        Scale and step stay as they are. A first point that lies outside is left out.

        Raises
        ------
        SpaceError
            If the key is not searched, or the words say no range of its kind.
        """
        self._check_searched(key)
        varies = {**self.varies, key: _narrowed(key, self.varies[key], words)}
        is_inside = key not in self.first or contains(varies[key], self.first[key])
        return replace(self, varies=varies, first=self.first if is_inside else {})

    def _check_searched(self, key: str) -> None:
        if key not in self.varies:
            raise SpaceError(
                f"{key!r} is not searched. The space has {', '.join(self.varies)}; "
                "--set sets what a search keeps fixed."
            )


def contains(kind: BaseDistribution, value: Any) -> bool:
    """Whether a distribution may give a value."""
    try:
        return kind._contains(kind.to_internal_repr(value))
    except ValueError:
        return False


def describe(kind: BaseDistribution) -> str:
    """Words for a person.

    Examples
    --------
    >>> describe(FloatDistribution(0.1, 10.0, log=True))
    '0.1 to 10.0, log scale'
    """
    if isinstance(kind, CategoricalDistribution):
        return "one of " + ", ".join(map(str, kind.choices))
    if not isinstance(kind, FloatDistribution | IntDistribution):
        return str(kind)
    step = "" if kind.step in (None, 1) else f", steps of {kind.step}"
    return f"{kind.low} to {kind.high}{', log scale' if kind.log else ''}{step}"


def _choices(key: str, kind: BaseDistribution) -> list[Any]:
    if isinstance(kind, CategoricalDistribution):
        return list(kind.choices)
    if isinstance(kind, IntDistribution) and not kind.log:
        return list(range(kind.low, kind.high + 1, kind.step))
    if isinstance(kind, FloatDistribution) and kind.step is not None:
        count = round((kind.high - kind.low) / kind.step) + 1
        return [min(kind.low + index * kind.step, kind.high) for index in range(count)]
    raise SpaceError(
        f"{key!r} is {describe(kind)}, which has no list of values. Every point can be tried only "
        f"where there is one: give it with --range {key}=A,B,C."
    )


def _narrowed(key: str, kind: BaseDistribution, words: str) -> BaseDistribution:
    number = int if isinstance(kind, IntDistribution) else float
    try:
        if "," in words or isinstance(kind, CategoricalDistribution):
            return CategoricalDistribution([_of_kind(kind, word) for word in words.split(",")])
        low, high = (number(word) for word in words.split(":"))
        if isinstance(kind, IntDistribution):
            return IntDistribution(int(low), int(high), log=kind.log, step=kind.step)
        if isinstance(kind, FloatDistribution):
            return FloatDistribution(low, high, log=kind.log, step=kind.step)
    except ValueError as error:
        raise SpaceError(
            f"--range {key}={words} is no range of {describe(kind)} ({error}): give LOW:HIGH, or "
            "values with commas between them."
        ) from error
    raise SpaceError(f"{key!r} has a distribution that is not known here: {kind}.")


def _of_kind(kind: BaseDistribution, word: str) -> Any:
    """A value as the distribution's own are."""
    if isinstance(kind, CategoricalDistribution):
        own = {str(choice): choice for choice in kind.choices}
        if word not in own:
            raise ValueError(f"{word!r} is none of its choices")
        return own[word]
    return int(word) if isinstance(kind, IntDistribution) else float(word)


def _without(values: Mapping[str, Any], key: str) -> dict[str, Any]:
    return {name: value for name, value in values.items() if name != key}
