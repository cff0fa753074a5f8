"""F's trunk for samples that are vectors of real features rather than images.

Shape letters: B samples, M input features.
"""

from torch import Tensor, nn

from core.backbones._trunk import Trunk
from core.config import TrunkNorm
from core.errors import DataError


class VectorTrunk(Trunk):
    """One hidden layer over a vector that is given as an image of one pixel with M channels.

    So a vector takes every way that an image takes: splits, batches, Alg. 1 and prediction.

    Parameters
    ----------
    num_inputs
        M.
    width
        Units of the hidden layer.
    norm
        "batch" for BatchNorm, "group" for LayerNorm, which keeps no statistics of the batch.
    """

    def __init__(self, num_inputs: int, *, width: int, norm: TrunkNorm) -> None:
        super().__init__()
        self.num_inputs = num_inputs
        self.num_features = width
        self.hidden = nn.Sequential(
            nn.Linear(num_inputs, width, bias=False),
            nn.BatchNorm1d(width) if norm == "batch" else nn.LayerNorm(width),
            nn.ReLU(),
        )

    def forward(self, x_BM11: Tensor) -> Tensor:
        """Return (B, width).

        Raises
        ------
        DataError
            If the input has more than one pixel.
        """
        if x_BM11.shape[1:] != (self.num_inputs, 1, 1):
            raise DataError(
                f"`trunk='mlp'` takes vectors as arrays of shape (B, {self.num_inputs}, 1, 1), but "
                f"got {tuple(x_BM11.shape)}: choose a trunk for images."
            )
        features: Tensor = self.hidden(x_BM11.flatten(1))
        return features

    def stages(self) -> list[list[nn.Parameter]]:
        return [list(self.hidden.parameters())]
