"""The last layer alone, on similarities that were computed once.

Shape letters: M training images, N prototypes, K classes.
"""

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from core.data import Split
from core.distributed import rank, sum_over_workers, world_size
from core.methods.protopnet._losses import wrong_class_norm
from core.methods.protopnet._model import ProtoPNetModel


def all_similarities(model: ProtoPNetModel, train: Split, *, batch_size: int) -> Tensor:
    """(M, N) Similarities of the training images, in evaluation mode and not augmented.

    Workers share the images; all must call, and all get what one would get.
    """
    device = model.prototypes_ND.device
    similarities_MN = torch.zeros(len(train), len(model.prototypes_ND), device=device)
    rows_M = np.arange(len(train), dtype=np.int64)
    batches = [rows_M[start : start + batch_size] for start in range(0, len(train), batch_size)]
    mine = batches[rank() :: world_size()]
    with torch.no_grad():
        for rows, images_BCHW in zip(mine, train.images.batches(mine), strict=True):
            map_BDHW = model.patches(images_BCHW.to(device))
            similarities_MN[int(rows[0]) : int(rows[-1]) + 1] = model.similarities(map_BDHW)
    # All workers but one have 0 in a row, and adding that changes no bit.
    return sum_over_workers(similarities_MN)


def fit_last_layer(
    model: ProtoPNetModel,
    optimizer: torch.optim.Optimizer,
    similarities_MN: Tensor,
    labels_M: Tensor,
    *,
    num_epochs: int,
    batch_size: int,
    sparsity_weight: float,
    seed: tuple[int, ...],
) -> None:
    """Train the last layer by cross-entropy and the norm of its wrong-class connections.

    All else is fixed, so similarities need be computed once; the public code runs the network
    again for each batch, in training mode, which moves statistics of BatchNorm. Workers do the same
    work and get the same weights.

    Parameters
    ----------
    model
        Its last layer is changed.
    optimizer
        Of the last layer.
    similarities_MN, labels_M
        Of the training set.
    num_epochs, batch_size, sparsity_weight
        Of the phase.
    seed
        What the order of the samples is drawn from.
    """
    for epoch in range(num_epochs):
        order = np.random.default_rng([*seed, epoch]).permutation(len(labels_M))
        for rows in torch.split(torch.from_numpy(order).to(labels_M.device), batch_size):
            logits = functional.linear(similarities_MN[rows], model.last_layer_KN)
            loss = functional.cross_entropy(logits, labels_M[rows])
            norm = wrong_class_norm(model.last_layer_KN, model.class_of_N)
            optimizer.zero_grad()
            (loss + sparsity_weight * norm).backward()  # type: ignore[no-untyped-call]
            optimizer.step()
