"""Sizes and augmentation of images that are decoded while training."""

from dataclasses import dataclass
from typing import Literal

from core.errors import ConfigError

Augmentation = Literal["none", "crop_flip"]

CROP_PADDING = 8
"""Black pixels around a resized image, from which "crop_flip" takes its crop, as in PMG."""


@dataclass(frozen=True, kw_only=True)
class ImageOptions:
    """How an image of any size becomes one of `crop_size` x `crop_size` pixels.

    The defaults are those of a dataset whose images have one size already.

    Raises
    ------
    ConfigError
        If one size is given without the other, if the crop is larger than what it is cut from, or
        if there is an augmentation but no sizes.

    Examples
    --------
    >>> ImageOptions(resize_size=550, crop_size=448, augmentation="crop_flip").decodes
    True
    """

    resize_size: int | None = None
    """Pixels of the shorter side after resizing (bilinear, antialiased); the longer keeps the
    ratio."""

    crop_size: int | None = None
    """Pixels of each side of the crop: the centre's, unless `augmentation` says otherwise."""

    augmentation: Augmentation = "none"
    """In training: "crop_flip" takes a random crop of the image with a black border of
    `CROP_PADDING` pixels, and mirrors every second one."""

    def __post_init__(self) -> None:
        for name in ("resize_size", "crop_size"):
            size = getattr(self, name)
            if size is not None and size < 1:
                raise ConfigError(f"`{name}` must be at least 1, but got {size}.")
        if self.resize_size is None or self.crop_size is None:
            if self.resize_size is not None or self.crop_size is not None:
                raise ConfigError(
                    "`resize_size` and `crop_size` must be given together, but got "
                    f"{self.resize_size} and {self.crop_size}."
                )
            if self.augmentation != "none":
                raise ConfigError(
                    "`augmentation` must be 'none' without `resize_size` and `crop_size`, but got "
                    f"{self.augmentation!r}."
                )
        elif self.crop_size > self.resize_size:
            raise ConfigError(
                f"`crop_size` must be at most `resize_size`, but got {self.crop_size} and "
                f"{self.resize_size}."
            )

    @property
    def decodes(self) -> bool:
        """Whether the sizes are given."""
        return self.resize_size is not None
