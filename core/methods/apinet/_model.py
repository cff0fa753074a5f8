"""F, a classifier, and gates that compare two images' features.

Shape letters: B samples, C channels, H height, W width, N features, P pairs, K classes.
"""

from typing import NamedTuple

import torch
from torch import Tensor, nn

from core.config import TrainConfig
from core.config.options import APINetOptions
from core.methods._calibrated import Answer, CalibratedRecognizer
from core.model import FeatureNetwork
from core.quantize import CalibratedQuantizer


class PairLogits(NamedTuple):
    """The classifier's answers to a pair, each (P, K): either image by either gate."""

    own_1: Tensor
    other_1: Tensor
    own_2: Tensor
    other_2: Tensor


class APINetModel(CalibratedRecognizer, FeatureNetwork):
    """F with a classifier; pairs meet in training alone (Zhuang et al., 2020, section 3).

    The 1024 numbers are F's, projected from the pooled map as in every row; pairs, gates and
    classifier work on them, so they are the classifier's input. In the public code they are the
    trunk's 2048 pooled channels.

    Parameters
    ----------
    config, in_channels, num_classes, load_weights
        As in `FeatureNetwork`.
    options
        Of the pairs.

    Raises
    ------
    ConfigError, DataError
        As `FeatureNetwork`.
    """

    def __init__(
        self,
        config: TrainConfig,
        options: APINetOptions,
        *,
        in_channels: int,
        num_classes: int,
        load_weights: bool = True,
    ) -> None:
        super().__init__(
            config, in_channels=in_channels, num_classes=num_classes, load_weights=load_weights
        )
        # Its own draws, which do not depend on the trunk's.
        torch.manual_seed(config.seed)
        num = config.feature_dim
        hidden = max(1, num // 2)
        # No activation in between, as in the public code.
        self.mutual = nn.Sequential(
            nn.Linear(2 * num, hidden), nn.Dropout(options.dropout), nn.Linear(hidden, num)
        )
        self.dropout = nn.Dropout(options.dropout)
        self.classifier = nn.Linear(num, num_classes)
        self.quantizer = CalibratedQuantizer(config.num_bits)

    def pair_logits(self, first_PN: Tensor, second_PN: Tensor) -> PairLogits:
        """Gate both images of each pair by both gates, and classify.

        m is a linear map of the two side by side; the gate of an image is sigmoid(m x), and an
        image x by a gate g is x + x g.
        """
        mutual_PN = self.mutual(torch.cat([first_PN, second_PN], dim=1))
        gate_1, gate_2 = torch.sigmoid(mutual_PN * first_PN), torch.sigmoid(mutual_PN * second_PN)
        gated = torch.cat(
            [
                first_PN * (1 + gate_1),
                first_PN * (1 + gate_2),
                second_PN * (1 + gate_2),
                second_PN * (1 + gate_1),
            ]
        )
        return PairLogits(*self.classifier(self.dropout(gated)).chunk(4))

    def answer(self, images_BCHW: Tensor) -> Answer:
        """F(x), and the classifier on it: one image, no pair, no gate."""
        return Answer(self.features(images_BCHW), lambda x_BN: self.classifier(x_BN).softmax(1))
