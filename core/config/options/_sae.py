"""Options of the sparse autoencoder on a trained network."""

from dataclasses import dataclass
from typing import ClassVar

from core.config._checks import require
from core.config.options._calibrated import OF_ALG_1, CalibratedOptions

LATENTS_PER_ACTIVE = 32
"""1024 latents, of which 32 are active."""

LEAST_ACTIVE = 8


@dataclass(frozen=True, kw_only=True)
class SAEOptions(CalibratedOptions):
    """A TopK sparse autoencoder (Gao et al., 2024) on F(x), and a linear probe on its codes.

    The numbers are those of the public code, but for the probe's, which it does not have. F, q and
    G have the config's own, those of trees and sparsity aside.
    """

    method: ClassVar[str] = "sae"
    unread: ClassVar[frozenset[str]] = OF_ALG_1 - {
        "quantizer_range",
        "hidden_dim",
        "label_weight",
        "update",
    }

    num_latents: int | None = None
    """L, length of a code, which is what is quantized; None for n, so that all rows have as many
    features."""

    num_active: int | None = None
    """Entries of a code that are kept; None for a 32nd of L, at least 8 where there are as many. Of
    64 latents on digits, two thirds were dead with 2, a quarter to a third with 4, one with 8."""

    auxiliary_weight: float = 1 / 32
    """Weight of the error with which dead latents rebuild what the active ones leave over."""

    num_auxiliary: int | None = None
    """Dead latents that rebuild it; None for half of L. All of them where there are fewer."""

    dead_after: int = 20
    """Batches without a sample that a latent is active in, after which it counts as dead."""

    learning_rate: float = 5e-4
    """Adam step size of the autoencoder, the same in all passes."""

    num_passes: int = 50
    """Over the features of the training images, for the autoencoder and again for the probe."""

    batch_size: int = 256
    """Samples of a step of these passes."""

    probe_learning_rate: float = 0.01
    """Adam step size of the probe."""

    def __post_init__(self) -> None:
        super().__post_init__()
        name = self.method
        for field in ("num_latents", "num_active", "num_auxiliary"):
            value = getattr(self, field)
            require(
                value is None or value >= 1,
                f"`{name}.{field}` must be at least 1, or be None",
                value,
            )
        for field in ("dead_after", "num_passes", "batch_size"):
            value = getattr(self, field)
            require(value >= 1, f"`{name}.{field}` must be at least 1", value)
        for field in ("learning_rate", "probe_learning_rate"):
            value = getattr(self, field)
            require(value > 0, f"`{name}.{field}` must be above 0", value)
        require(
            self.auxiliary_weight >= 0,
            f"`{name}.auxiliary_weight` must be at least 0",
            self.auxiliary_weight,
        )

    def latents(self, feature_dim: int) -> int:
        """`num_latents`, or what stands for None at n features."""
        return feature_dim if self.num_latents is None else self.num_latents

    def active(self, feature_dim: int) -> int:
        """`num_active`, or what stands for None.

        Examples
        --------
        >>> [SAEOptions().active(n) for n in (1024, 64, 5)]
        [32, 8, 5]
        """
        if self.num_active is not None:
            return self.num_active
        num_latents = self.latents(feature_dim)
        return max(min(num_latents, LEAST_ACTIVE), num_latents // LATENTS_PER_ACTIVE)

    def auxiliary(self, feature_dim: int) -> int:
        """`num_auxiliary`, or what stands for None."""
        if self.num_auxiliary is not None:
            return self.num_auxiliary
        return max(1, self.latents(feature_dim) // 2)
