"""Options of the soft decision tree."""

from dataclasses import dataclass
from typing import ClassVar, Literal

from core.config._checks import require
from core.config.options._calibrated import CalibratedOptions

MAX_DEPTH = 12
"""4096 leaves."""


@dataclass(frozen=True, kw_only=True)
class SDTOptions(CalibratedOptions):
    """The tree of Frosst & Hinton (2017) on F(x), and how it is trained.

    The numbers are those of a public code that is close to the paper, but for the inverse
    temperature, which that code learns for each node; F has the config's own.
    """

    method: ClassVar[str] = "sdt"

    features: Literal["input", "leaves"] = "input"
    """What is quantized: what the tree reads (n numbers), or the probabilities of its paths
    (2^depth numbers)."""

    depth: int | None = 8
    """d; None for max(4, ceil(log2 K) + 2), which suits small networks."""

    inverse_temperature: float = 4.0
    """beta: tests go right with probability sigmoid(beta (w x + b)). Chosen on digits' minival
    accuracy over three seeds, at the tree's other numbers below: 65 % with 1, 99 % with 4, 95 %
    with 15."""

    balance_weight: float = 0.1
    """lambda, weight of the penalty on tests that send most samples one way."""

    running_balance: bool = True
    """Whether that penalty also counts earlier batches, more of them the deeper the node."""

    inference: Literal["best_leaf", "mixture"] = "best_leaf"
    """Whose classes are the prediction: the most probable leaf's, or all by their probabilities."""

    tree_learning_rate: float = 0.01
    """SGD step size of the tree, whatever the config's; it follows the config's schedule."""

    tree_momentum: float = 0.5
    """SGD momentum of the tree, which has no weight decay."""

    def __post_init__(self) -> None:
        super().__post_init__()
        require(
            self.depth is None or 1 <= self.depth <= MAX_DEPTH,
            f"`sdt.depth` must lie in [1, {MAX_DEPTH}], or be None to follow the classes",
            self.depth,
        )
        require(
            self.inverse_temperature > 0,
            "`sdt.inverse_temperature` must be above 0",
            self.inverse_temperature,
        )
        require(
            self.balance_weight >= 0, "`sdt.balance_weight` must be at least 0", self.balance_weight
        )
        require(
            self.tree_learning_rate > 0,
            "`sdt.tree_learning_rate` must be above 0",
            self.tree_learning_rate,
        )
        require(
            0 <= self.tree_momentum < 1,
            "`sdt.tree_momentum` must lie in [0, 1)",
            self.tree_momentum,
        )
