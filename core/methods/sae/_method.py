"""Training of a quantized network, and of a sparse autoencoder on its features.

Shape letters: B samples, M training images, N features, L latents.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

import torch

from core.config import TrainConfig
from core.config.options import SAEOptions
from core.data.loader import Batch
from core.losses import label_loss
from core.methods._calibrated import CalibratedMethod
from core.methods._descend import descend
from core.methods._options import options_of
from core.methods._over_split import over_split
from core.methods.sae._autoencoder import squared_error
from core.methods.sae._fit import fit_autoencoder, fit_probe
from core.methods.sae._model import SAEModel
from core.training import EpochEnd, Step, sgd, share_batch_statistics

AUTOENCODER_FILE = "autoencoder.json"


class SAE(CalibratedMethod):
    """The quantized network of Table 1, step by step; codes of its features after each epoch.

    The autoencoder is post hoc: F is frozen, and no gradient of it reaches F. It is fitted anew, on
    features that are computed once, at the end of every epoch, so that every epoch is one that
    early stopping may report, and codes depend on that epoch's network alone. Then the probe is
    fitted on the codes. What early stopping compares is the probe's accuracy.

    Parameters
    ----------
    config, model, optimizers
        As in `Method`; the optimizers are "extractor" for F, "classifier" for G, "autoencoder" and
        "probe".
    """

    model: SAEModel

    def __init__(
        self, config: TrainConfig, model: SAEModel, optimizers: dict[str, torch.optim.Optimizer]
    ) -> None:
        self.config = config
        self.model = model
        self.optimizers = optimizers
        self._options = options_of(config, SAEOptions)
        self._summary: Mapping[str, float] = {}

    @classmethod
    def create(
        cls, config: TrainConfig, *, in_channels: int, num_classes: int, device: torch.device
    ) -> Self:
        options = options_of(config, SAEOptions)
        with torch.random.fork_rng(devices=[]):
            model = SAEModel(config, options, in_channels=in_channels, num_classes=num_classes)
        model = share_batch_statistics(model, device).to(device)
        network = model.network
        classifier = {"params": list(network.classifier.parameters()), "scale": 1.0}
        optimizers: dict[str, torch.optim.Optimizer] = {
            "extractor": sgd(config, network.extractor_parameter_groups(config)),
            "classifier": sgd(config, [classifier]),
        }
        for name, part, rate in (
            ("autoencoder", model.autoencoder, options.learning_rate),
            ("probe", model.probe, options.probe_learning_rate),
        ):
            group = {"params": list(part.parameters()), "scale": rate / config.learning_rate}
            optimizers[name] = torch.optim.Adam([group], lr=rate)
        return cls(config, model, optimizers)

    def step(self, batch: Batch, at: Step) -> dict[str, float]:
        """Lines 9, 12 and 13 of Alg. 1 without tree and sparsity: a step of G, then one of F."""
        config, network = self.config, self.model.network
        device = self.model.probe.weight.device
        with at.timer.part("network"):
            labels_B = batch.labels_B.to(device)
            levels_BN = network.levels(batch.images_BCHW.to(device))
            active = [self.optimizers["extractor"], self.optimizers["classifier"]]
            if config.update == "sequential":
                logits_BK = network.classify(levels_BN.detach())
                label = label_loss(logits_BK, labels_B, divisor=batch.global_size)
                descend(config.label_weight * label, {"label": label}, active[1:])
                active = active[:1]
                # F learns through the new G, which stays as it is.
                network.classifier.requires_grad_(False)
            label = label_loss(network.classify(levels_BN), labels_B, divisor=batch.global_size)
            losses = descend(config.label_weight * label, {"label": label}, active)
            network.classifier.requires_grad_(True)
            return losses

    def end_epoch(self, at: EpochEnd) -> None:
        """Fit autoencoder and probe to the network as it is now, and calibrate."""
        with at.timer.part("network"):
            self._fit(at)
        super().end_epoch(at)

    def state_dict(self) -> dict[str, Any]:
        """How well the newest codes rebuild."""
        return {"summary": dict(self._summary)}

    def load_state_dict(self, values: Mapping[str, Any]) -> None:
        self._summary = values["summary"]

    def write_files(self, folder: Path) -> None:
        """The ranges; and how well features are rebuilt.

        "explained" is the share of the training features' variance that is, "dead" the share of
        latents that no training image has, "active" the mean number that one has.
        """
        super().write_files(folder)
        (folder / AUTOENCODER_FILE).write_text(json.dumps(dict(self._summary), indent=2))

    def _fit(self, at: EpochEnd) -> None:
        model, options = self.model, self._options
        was_training = model.training
        model.eval()
        x_MN = over_split(
            model.unit_features,
            at.train,
            width=self.config.feature_dim,
            batch_size=self.config.batch_size,
            device=model.probe.weight.device,
        )
        center_N = x_MN.mean(0)
        model.reset_codes(center_N)
        fit_autoencoder(
            model.autoencoder,
            self._restarted("autoencoder", options.learning_rate),
            x_MN,
            num_passes=options.num_passes,
            batch_size=options.batch_size,
            auxiliary_weight=options.auxiliary_weight,
            num_auxiliary=options.auxiliary(self.config.feature_dim),
            dead_after=options.dead_after,
            seed=(self.config.seed, at.epoch),
        )
        with torch.no_grad():
            codes_ML = model.autoencoder.encode(x_MN)
            left = squared_error(x_MN, model.autoencoder.decode(codes_ML)).item()
        fit_probe(
            model.classify,
            self._restarted("probe", options.probe_learning_rate),
            codes_ML,
            torch.from_numpy(at.train.labels_N).to(codes_ML.device),
            num_passes=options.num_passes,
            batch_size=options.batch_size,
            seed=(self.config.seed, at.epoch),
        )
        model.train(was_training)
        is_active_ML = codes_ML > 0
        whole = squared_error(x_MN, center_N.expand_as(x_MN)).item()
        self._summary = {
            "explained": 1 - left / whole if whole else 0.0,
            "dead": 1 - is_active_ML.any(0).float().mean().item(),
            "active": is_active_ML.sum(1).float().mean().item(),
        }

    def _restarted(self, name: str, learning_rate: float) -> torch.optim.Optimizer:
        optimizer = self.optimizers[name]
        optimizer.state.clear()
        for group in optimizer.param_groups:
            # The schedule's last epochs would leave nothing of it.
            group["lr"] = learning_rate
        return optimizer
