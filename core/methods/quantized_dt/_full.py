"""The other reading: a full tree of soft tests on all levels at once.

Shape letters: B samples, N features, K classes.
"""

from collections.abc import Mapping

from torch import Tensor, nn

from core.methods._soft_tree import BalancePenalty, SoftTree, log_paths


class FullTree(nn.Module):
    """SDT's tree and losses (Frosst & Hinton, 2017) on levels scaled to [0, 1].

    Parameters
    ----------
    num_features, num_levels, num_classes
        N, 2^r and K.
    depth
        2^depth leaves.
    balance_weight
        Of the penalty on tests that send most samples one way; 0 leaves it out.
    inverse_temperature
        As in `SoftTree`; at 2^r - 1 the tests are on the levels themselves.
    """

    def __init__(
        self,
        *,
        num_features: int,
        num_levels: int,
        num_classes: int,
        depth: int,
        balance_weight: float,
        inverse_temperature: float,
    ) -> None:
        super().__init__()
        self._top = num_levels - 1
        self.soft = SoftTree(
            num_features=num_features,
            num_classes=num_classes,
            depth=depth,
            inverse_temperature=inverse_temperature,
        )
        self.balance = BalancePenalty(depth=depth)
        self.weights: Mapping[str, float] = {"label": 1.0}
        if balance_weight:
            self.weights = {**self.weights, "balance": balance_weight}

    def forward(self, levels_BN: Tensor) -> Tensor:
        """(B, K) Classes of the most probable leaf."""
        return self.soft.best_leaf(self.soft.log_paths(levels_BN / self._top)[-1])

    def losses(self, levels_BN: Tensor, labels_B: Tensor, *, divisor: int) -> dict[str, Tensor]:
        """This worker's shares of the losses, unweighted."""
        logits_BI = self.soft.logits(levels_BN / self._top)
        paths = log_paths(logits_BI)
        losses = {"label": self.soft.expected_loss(paths[-1], labels_B, divisor=divisor)}
        if "balance" in self.weights:
            losses["balance"] = self.balance(logits_BI, paths)
        return losses
