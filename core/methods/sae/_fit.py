"""The autoencoder and the probe, on features that were computed once.

Shape letters: M training images, B samples of a batch, N features, L latents.
"""

from collections.abc import Callable, Iterator

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from core.methods.sae._autoencoder import TopKAutoencoder, auxiliary_error, squared_error


def fit_autoencoder(
    autoencoder: TopKAutoencoder,
    optimizer: torch.optim.Optimizer,
    x_MN: Tensor,
    *,
    num_passes: int,
    batch_size: int,
    auxiliary_weight: float,
    num_auxiliary: int,
    dead_after: int,
    seed: tuple[int, ...],
) -> None:
    """Minimise the squared error, and with it that of dead latents on what is left over.

    A latent is dead once no sample of so many batches made it fire. Workers do the same work and
    get the same weights.

    Parameters
    ----------
    autoencoder
        Changed in place. Its atoms keep their norm.
    optimizer
        Of its parameters.
    x_MN
        Vectors of norm 1.
    num_passes, batch_size, auxiliary_weight, num_auxiliary, dead_after
        As in `SAEOptions`.
    seed
        What the order of the samples is drawn from.
    """
    silent_L = torch.zeros(len(autoencoder.encoder_LN), dtype=torch.int64, device=x_MN.device)
    for rows_B in _batches(len(x_MN), num_passes, batch_size, seed, x_MN.device):
        x_BN = x_MN[rows_B]
        activations_BL = autoencoder.activations(x_BN)
        codes_BL = autoencoder.encode(x_BN)
        rebuilt_BN = autoencoder.decode(codes_BL)
        loss = squared_error(x_BN, rebuilt_BN)
        if auxiliary_weight:
            loss = loss + auxiliary_weight * auxiliary_error(
                activations_BL,
                x_BN - rebuilt_BN,
                autoencoder.decoder_LN,
                silent_L >= dead_after,
                num_auxiliary=num_auxiliary,
            )
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        autoencoder.drop_gradient_along_atoms()
        optimizer.step()
        autoencoder.normalize_atoms()
        silent_L = torch.where((codes_BL > 0).any(0), 0, silent_L + 1)


def fit_probe(
    probe: Callable[[Tensor], Tensor],
    optimizer: torch.optim.Optimizer,
    codes_ML: Tensor,
    labels_M: Tensor,
    *,
    num_passes: int,
    batch_size: int,
    seed: tuple[int, ...],
) -> None:
    """Train a classifier of codes by cross-entropy. Workers do the same work.

    Parameters
    ----------
    probe
        From codes to logits.
    optimizer
        Of its parameters, which change in place.
    codes_ML, labels_M
        Of the training set.
    num_passes, batch_size
        As in `SAEOptions`.
    seed
        What the order of the samples is drawn from.
    """
    for rows_B in _batches(len(codes_ML), num_passes, batch_size, seed, codes_ML.device):
        loss = functional.cross_entropy(probe(codes_ML[rows_B]), labels_M[rows_B])
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()


def _batches(
    num_samples: int, num_passes: int, batch_size: int, seed: tuple[int, ...], device: torch.device
) -> Iterator[Tensor]:
    for index in range(num_passes):
        order = np.random.default_rng([*seed, index]).permutation(num_samples)
        yield from torch.split(torch.from_numpy(order).to(device), batch_size)
