"""The last layer alone, on similarities that were computed once.

Shape letters: M training images, N prototypes, K classes.
"""

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from core.data import Split
from core.methods._over_split import over_split
from core.methods.protopnet._losses import wrong_class_norm
from core.methods.protopnet._model import ProtoPNetModel


def all_similarities(model: ProtoPNetModel, train: Split, *, batch_size: int) -> Tensor:
    """(M, N) Similarities of the training images, in evaluation mode and not augmented.

    Workers share the images; all must call, and all get what one would get.
    """
    return over_split(
        lambda images_BCHW: model.similarities(model.patches(images_BCHW)),
        train,
        width=len(model.prototypes_ND),
        batch_size=batch_size,
        device=model.prototypes_ND.device,
    )


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
