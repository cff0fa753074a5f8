"""Sizes of images that are rendered, sizes and augmentation of those decoded while training."""

from dataclasses import dataclass
from typing import Literal

from core.errors import ConfigError

Augmentation = Literal["none", "crop_flip"]

CROP_PADDING = 8
"""Black pixels around a resized image, from which "crop_flip" takes its crop, as in PMG."""


@dataclass(frozen=True, kw_only=True)
class ImageOptions:
    """At what size images are drawn, or how one of any size becomes `crop_size` x `crop_size`.

    The defaults are those of a dataset whose images have one size already.

    Raises
    ------
    ConfigError
        If `resize_size` or `crop_size` is given without the other or together with `image_size`, if
        the crop is larger than what it is cut from, or if there is an augmentation but no crop.

    Examples
    --------
    >>> ImageOptions(resize_size=550, crop_size=448, augmentation="crop_flip").decodes
    True
    """

    image_size: int | None = None
    """Pixels of each side that a rendered dataset's images are drawn at; None for its own size."""

    resize_size: int | None = None
    """Pixels of the shorter side after resizing (bilinear, antialiased); the longer keeps the
    ratio."""

    crop_size: int | None = None
    """Pixels of each side of the crop: the centre's, unless `augmentation` says otherwise."""

    augmentation: Augmentation = "none"
    """In training: "crop_flip" takes a random crop of the image with a black border of
    `CROP_PADDING` pixels, and mirrors every second one."""

    def __post_init__(self) -> None:
        for name in ("image_size", "resize_size", "crop_size"):
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
        elif self.image_size is not None:
            raise ConfigError(
                "`image_size`, for images that are drawn, must be None where `resize_size` and "
                f"`crop_size` are given, but got {self.image_size}: leave one or the other out."
            )

    @property
    def decodes(self) -> bool:
        """Whether the sizes of images that are decoded are given."""
        return self.resize_size is not None
