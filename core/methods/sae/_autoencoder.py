"""The autoencoder, and its losses.

Shape letters: B samples, N numbers of a vector, L latents, D dead latents.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional


class TopKAutoencoder(nn.Module):
    """A vector as a sum of few atoms of a dictionary (Gao et al., 2024).

    z = ReLU(TopK(W_e (x - b))) and x' = W_d z + b. TopK keeps the K largest entries of each sample
    and sets the others to 0; the ReLU, which the public code has as we recall it, takes away those
    of them that are negative. The atoms are the columns of W_d, the rows of `decoder_LN`, and have
    norm 1.

    Parameters
    ----------
    num_features
        N.
    num_latents
        L, which may be more than N, or fewer.
    num_active
        K, from 1 to L.
    generator
        Of the first weights.

    Examples
    --------
    >>> autoencoder = TopKAutoencoder(
    ...     num_features=6, num_latents=8, num_active=2, generator=torch.Generator().manual_seed(0)
    ... )
    >>> codes_BL = autoencoder.encode(torch.randn(5, 6))
    >>> codes_BL.shape, bool(((codes_BL != 0).sum(1) <= 2).all())
    (torch.Size([5, 8]), True)
    >>> autoencoder.decode(codes_BL).shape
    torch.Size([5, 6])
    """

    def __init__(
        self,
        *,
        num_features: int,
        num_latents: int,
        num_active: int,
        generator: torch.Generator,
    ) -> None:
        super().__init__()
        self.num_active = num_active
        self.encoder_LN = nn.Parameter(torch.empty(num_latents, num_features))
        self.decoder_LN = nn.Parameter(torch.empty(num_latents, num_features))
        self.bias_N = nn.Parameter(torch.empty(num_features))
        self.reset(torch.zeros(num_features), generator=generator)

    @torch.no_grad()
    def reset(self, center_N: Tensor, *, generator: torch.Generator) -> None:
        """Set first weights: atoms in all directions alike, W_e = W_d^T, and b.

        Parameters
        ----------
        center_N
            First b, such as the mean of the data.
        generator
            On the CPU.
        """
        atoms_LN = torch.randn(self.decoder_LN.shape, generator=generator)
        self.decoder_LN.copy_(functional.normalize(atoms_LN))
        self.encoder_LN.copy_(self.decoder_LN)
        self.bias_N.copy_(center_N)

    def activations(self, x_BN: Tensor) -> Tensor:
        """(B, L) W_e (x - b): what TopK chooses from."""
        return (x_BN - self.bias_N) @ self.encoder_LN.T

    def encode(self, x_BN: Tensor) -> Tensor:
        """(B, L) Codes z, none negative, at most K of a sample above 0."""
        return top_k(self.activations(x_BN), self.num_active)

    def decode(self, codes_BL: Tensor) -> Tensor:
        """(B, N) x' of codes."""
        return codes_BL @ self.decoder_LN + self.bias_N

    @torch.no_grad()
    def drop_gradient_along_atoms(self) -> None:
        """Leave of the decoder's gradient what turns an atom, not what stretches it."""
        gradient_LN = self.decoder_LN.grad
        if gradient_LN is not None:
            along_L1 = (gradient_LN * self.decoder_LN).sum(1, keepdim=True)
            gradient_LN.sub_(along_L1 * self.decoder_LN)

    @torch.no_grad()
    def normalize_atoms(self) -> None:
        """Bring every atom back to norm 1."""
        self.decoder_LN.copy_(functional.normalize(self.decoder_LN))


def top_k(activations_BL: Tensor, num_active: int) -> Tensor:
    """Keep the K largest entries of each row, those above 0; all others are 0.

    Examples
    --------
    >>> top_k(torch.tensor([[3.0, -1.0, 5.0, 4.0], [-2.0, 1.0, -3.0, -4.0]]), 2)
    tensor([[0., 0., 5., 4.],
            [0., 1., 0., 0.]])
    """
    largest = activations_BL.topk(num_active, dim=1)
    return torch.zeros_like(activations_BL).scatter(1, largest.indices, largest.values.relu())


def squared_error(x_BN: Tensor, rebuilt_BN: Tensor) -> Tensor:
    """Scalar: squared distance, summed over a vector and averaged over samples.

    N times the usual mean squared error. Of vectors of norm 1 it is 1 where nothing is rebuilt.
    """
    return (x_BN - rebuilt_BN).square().sum(1).mean()


def auxiliary_error(
    activations_BL: Tensor,
    residual_BN: Tensor,
    atoms_LN: Tensor,
    is_dead_L: Tensor,
    *,
    num_auxiliary: int,
) -> Tensor:
    """How badly dead latents rebuild what the active ones leave over; 0 where none is dead.

    Each sample's largest activations among dead latents are taken, as TopK does among all, so
    latents that never fire get a gradient (Gao et al., 2024). None goes into the residual.

    Parameters
    ----------
    activations_BL
        Of all latents.
    residual_BN
        x - x'.
    atoms_LN
        Of all latents.
    is_dead_L
        bool.
    num_auxiliary
        Latents that are taken, or all dead ones where they are fewer.

    Returns
    -------
    Tensor
        Scalar, as `squared_error`.
    """
    num_dead = int(is_dead_L.sum())
    if not num_dead:
        return activations_BL.new_zeros(())
    codes_BD = top_k(activations_BL[:, is_dead_L], min(num_auxiliary, num_dead))
    return squared_error(residual_BN.detach(), codes_BD @ atoms_LN[is_dead_L])
