"""The settings that determine a rendered field guide."""

import dataclasses
import json
import numbers
from dataclasses import dataclass

from core.data.bundled._checks import checked_int
from core.errors import ConfigError


@dataclass(frozen=True, kw_only=True)
class FieldGuideParams:
    """What is drawn. Equal parameters give equal pixels and equal attributes.

    Raises
    ------
    ConfigError
        If a value is outside its range.

    Examples
    --------
    >>> FieldGuideParams(image_size=64).images_per_species
    100
    """

    image_size: int = 32
    """Height and width in pixels, 16 to 512. The birds are the same at every size."""

    images_per_species: int = 100
    """Images of each species, over all splits; at least 10, so that every split has each one."""

    seed: int = 0
    """Chooses the individuals. Each image draws from its own stream, in any order."""

    label_noise: float = 0.02
    """Probability that the annotator writes the wrong value into a cell, in [0, 0.5)."""

    hide_probability: float = 0.25
    """Probability that an image hides some part of its bird, in [0, 1]."""

    def __post_init__(self) -> None:
        for name, low, high in (
            ("image_size", 16, 512),
            ("images_per_species", 10, 100_000),
            ("seed", 0, 2**63 - 1),
        ):
            object.__setattr__(self, name, checked_int(name, getattr(self, name), low, high))
        for name in ("label_noise", "hide_probability"):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, numbers.Real):
                raise ConfigError(f"`{name}` must be a number, but got {value!r}.")
            # Equal settings must have one canonical form: 0 and 0.0 share a cache file.
            object.__setattr__(self, name, float(value))
        if not 0 <= self.label_noise < 0.5:
            raise ConfigError(f"`label_noise` must lie in [0, 0.5), but got {self.label_noise}.")
        if not 0 <= self.hide_probability <= 1:
            raise ConfigError(
                f"`hide_probability` must lie in [0, 1], but got {self.hide_probability}."
            )

    def canonical(self) -> str:
        """One string for one set of parameters, the same in every process."""
        return json.dumps(dataclasses.asdict(self), sort_keys=True)
