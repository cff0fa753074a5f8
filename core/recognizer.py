"""What every trained network answers, whatever method trained it.

Shape letters: B samples, C channels, H height, W width, N features, K classes.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import NamedTuple

from torch import Tensor, nn


class Recognition(NamedTuple):
    """What a network says of a batch."""

    levels_BN: Tensor | None
    """Quantized features, whole numbers in any dtype; None for a method that has none."""

    probabilities_BK: Tensor
    """Of the classes, adding up to 1."""

    quantized_probabilities_BK: Tensor | None = None
    """The same with the last layer fed the levels' numbers instead of float features; None for a
    method whose last layer sees levels anyway, and for one without levels."""


class Recognizer(nn.Module, ABC):
    """A network with all weights of a run, which evaluation asks for levels and classes.

    Its state dict is the run's: what a method trains beside it is not kept.
    """

    num_classes: int
    feature_dim: int | None = None
    """N; None without levels."""

    num_levels: int | None = None
    """2^r; None without levels."""

    is_quantized_after_training: bool = False
    """Whether `recognize` also gives `quantized_probabilities_BK`."""

    def grow_like(self, weights: Mapping[str, Tensor]) -> None:
        """Take the shape of the network that some weights are of.

        Called before `load_state_dict` where there are weights and nothing else of a run. Only a
        network that grows has anything to do.
        """

    def prototype_weights(self) -> Tensor | None:
        """(K, N) How much each feature speaks for each class; None where none is a prototype."""
        return None

    @abstractmethod
    def recognize(self, images_BCHW: Tensor) -> Recognition:
        """Answer for a batch, in evaluation mode; with as many forwards as the method takes.

        What an image gets must not depend on the other images of the batch.
        """
