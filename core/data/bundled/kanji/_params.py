"""The settings that determine a drawn set of kanji."""

import dataclasses
import json
from dataclasses import dataclass

from core.data.bundled._checks import checked_int


@dataclass(frozen=True, kw_only=True)
class KanjiParams:
    """What is drawn. Equal parameters give equal pixels and equal attributes.

    Raises
    ------
    ConfigError
        If a value is outside its range.

    Examples
    --------
    >>> KanjiParams(image_size=48).images_per_character
    40
    """

    image_size: int = 32
    """Height and width in pixels, 16 to 512. The characters are the same at every size."""

    images_per_character: int = 40
    """Images of each character, over all splits; at least 10, so that every split has each one."""

    seed: int = 0
    """Chooses the hands. Each image draws from its own stream, in any order."""

    def __post_init__(self) -> None:
        for name, low, high in (
            ("image_size", 16, 512),
            ("images_per_character", 10, 100_000),
            ("seed", 0, 2**63 - 1),
        ):
            object.__setattr__(self, name, checked_int(name, getattr(self, name), low, high))

    def canonical(self) -> str:
        """One string for one set of parameters, the same in every process."""
        return json.dumps(dataclasses.asdict(self), sort_keys=True)
