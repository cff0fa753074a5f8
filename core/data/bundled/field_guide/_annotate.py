"""What an annotator writes down about an image."""

import numpy as np
import numpy.typing as npt

from core.data.bundled.field_guide._attributes import ATTRIBUTES, SPECIES_ATTRIBUTES_KA
from core.data.bundled.field_guide._scene import Scene


def shown_attributes(scene: Scene, species_index: int) -> npt.NDArray[np.bool_]:
    """The species' attributes that can be seen, shape (A,). As in CUB, what is hidden is absent."""
    shows_A = [
        scene.size_shows if attribute.part is None else attribute.part in scene.visible
        for attribute in ATTRIBUTES
    ]
    return np.asarray(SPECIES_ATTRIBUTES_KA[species_index] & shows_A)


def misread(
    attributes_A: npt.NDArray[np.bool_], label_noise: float, annotator: np.random.Generator
) -> npt.NDArray[np.bool_]:
    """Flip each cell with probability `label_noise`, shape (A,)."""
    return attributes_A ^ (annotator.random(len(attributes_A)) < label_noise)
