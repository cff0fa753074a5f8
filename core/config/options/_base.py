"""What the options of every method share."""

from dataclasses import dataclass
from typing import ClassVar

from core.config._checks import check_types_and_choices


@dataclass(frozen=True, kw_only=True)
class MethodOptions:
    """The settings that one method has and others have not. All have defaults.

    They are written ``method.field``, such as ``jigsaw.whole_weight=3``, wherever a field of
    TrainConfig may be written. Those of the method that runs are part of its identity and of its
    params, those of other methods are not.

    Raises
    ------
    ConfigError
        If a value is not of its field's type, or not legal.
    """

    method: ClassVar[str]
    """The method's name."""

    unread: ClassVar[frozenset[str]] = frozenset()
    """Fields of TrainConfig that no number of the method depends on. They are left out of its
    identity, so a test trains with another value of each and must find the same bits."""

    def __post_init__(self) -> None:
        check_types_and_choices(self, prefix=f"{self.method}.")
