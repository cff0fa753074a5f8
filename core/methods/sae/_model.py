"""A quantized network, an autoencoder on its features, and a classifier of codes.

Shape letters: B samples, C channels, H height, W width, N features, M images, L latents, K classes.
"""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from core.backbones import Trunk
from core.config import TrainConfig
from core.config.options import SAEOptions
from core.data import Split
from core.errors import ConfigError
from core.methods._calibrated import Answer, CalibratedRecognizer
from core.methods._over_split import over_split
from core.methods.sae._autoencoder import TopKAutoencoder
from core.model import build_model
from core.quantize import CalibratedQuantizer


class SAEModel(CalibratedRecognizer):
    """F, q and G, which are the quantized network; and codes of F(x), which are what is scored.

    The 1024 numbers are the 1024 latents of the autoencoder, which reads F(x) before q at norm 1.
    Most codes are 0, and latents differ in how strong they are, so each has a range of its own:
    from 0, which is level 0, to its largest code on the calibration split. Classes are those of a
    linear probe on the codes, not G's.

    Parameters
    ----------
    config, in_channels, num_classes
        As in `FeatureNetwork`.
    options
        Of the autoencoder.

    Raises
    ------
    ConfigError, DataError
        As `FeatureNetwork`, and if more latents are to be active than there are.
    """

    def __init__(
        self, config: TrainConfig, options: SAEOptions, *, in_channels: int, num_classes: int
    ) -> None:
        super().__init__()
        num_latents = options.latents(config.feature_dim)
        num_active = options.active(config.feature_dim)
        if num_active > num_latents:
            raise ConfigError(
                f"`sae.num_active` must be at most the number of latents, which is {num_latents}, "
                f"but got {num_active}: choose fewer, or more latents by `sae.num_latents`."
            )
        self.feature_dim = num_latents
        self.num_levels = config.num_levels
        self.num_classes = num_classes
        self.network = build_model(config, in_channels=in_channels, num_classes=num_classes)
        self.quantizer = CalibratedQuantizer(config.num_bits, num_features=num_latents)
        self._seed = config.seed
        self.autoencoder = TopKAutoencoder(
            num_features=config.feature_dim,
            num_latents=num_latents,
            num_active=num_active,
            generator=self._first_draws(),
        )
        self.probe = nn.Linear(num_latents, num_classes)
        self._reset_probe()

    @property
    def trunk(self) -> Trunk:
        """Of F."""
        return self.network.trunk

    def unit_features(self, images_BCHW: Tensor) -> Tensor:
        """(B, N) F(x) at norm 1; 0 where F(x) is."""
        return functional.normalize(self.network.features(images_BCHW))

    def classify(self, codes_BL: Tensor) -> Tensor:
        """(B, K) The probe's logits."""
        # x has norm 1, so K active codes are about 1 / sqrt(K) each.
        logits_BK: Tensor = self.probe(codes_BL * math.sqrt(self.autoencoder.num_active))
        return logits_BK

    def answer(self, images_BCHW: Tensor) -> Answer:
        """Codes, and the probe on them."""
        codes_BL = self.autoencoder.encode(self.unit_features(images_BCHW))
        return Answer(codes_BL, lambda z_BL: self.classify(z_BL).softmax(1))

    def calibrate(self, split: Split, *, batch_size: int) -> None:
        """Fix each latent's range: from 0 to its largest code over the split.

        A latent that no image of the split has gets level 0 everywhere. For parameters and errors
        see `CalibratedRecognizer`; the batch size changes nothing here but memory.
        """
        was_training = self.training
        self.eval()
        codes_ML = over_split(
            lambda images_BCHW: self.answer(images_BCHW).features_BN,
            split,
            width=len(self.autoencoder.encoder_LN),
            batch_size=batch_size,
            device=self.probe.weight.device,
        )
        self.train(was_training)
        # The split as one batch: the mean of a rare latent's batch maxima would mostly be of zeros.
        highs_1L = codes_ML.amax(0, keepdim=True) if len(codes_ML) else codes_ML
        self.quantizer.calibrate(torch.zeros_like(highs_1L), highs_1L)

    def reset_codes(self, center_N: Tensor) -> None:
        """Put first weights into autoencoder and probe.

        Parameters
        ----------
        center_N
            As in `TopKAutoencoder.reset`.
        """
        self.autoencoder.reset(center_N, generator=self._first_draws())
        self._reset_probe()

    def _first_draws(self) -> torch.Generator:
        return torch.Generator().manual_seed(self._seed)

    def _reset_probe(self) -> None:
        nn.init.zeros_(self.probe.weight)
        nn.init.zeros_(self.probe.bias)
