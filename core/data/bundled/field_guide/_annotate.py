"""What an annotator writes down about an image."""

import numpy as np
import numpy.typing as npt

from core.data.bundled.field_guide._attributes import ATTRIBUTES
from core.data.bundled.field_guide._scene import Scene
from core.data.bundled.field_guide._species import Species


def shown_attributes(scene: Scene, species: Species) -> npt.NDArray[np.bool_]:
    """The species' attributes that can be seen, shape (A,). As in CUB, what is hidden is absent."""
    return np.array(
        [
            attribute.holds_for(species)
            and (scene.size_shows if attribute.part is None else attribute.part in scene.visible)
            for attribute in ATTRIBUTES
        ]
    )


def misread(
    attributes_A: npt.NDArray[np.bool_], label_noise: float, annotator: np.random.Generator
) -> npt.NDArray[np.bool_]:
    """Flip each cell with probability `label_noise`, shape (A,)."""
    return attributes_A ^ (annotator.random(len(attributes_A)) < label_noise)
