"""From points along strokes to pixels.

Shape letters: P points, C channels, H height, W width; the last axis, 2, is (x, y).
"""

import numpy as np
import numpy.typing as npt

from core.data.bundled.kanji._drawing import Drawing
from core.data.bundled.kanji._hand import Hand

_GRAIN = 12.0
"""Standard deviation of the noise, of 255."""


def render(
    drawing: Drawing, hand: Hand, image_size: int, grain: np.random.Generator
) -> npt.NDArray[np.uint8]:
    """Write one image with a round pen.

    A pixel's share of ink is how far its centre lies inside the pen's edge, in pixels about the
    edge, which is smooth at every pen width and image size.

    Returns
    -------
    npt.NDArray[np.uint8]
        Shape (1, image_size, image_size): light ink on dark paper.
    """
    # Imported here, since it takes time that users of other datasets need not pay.
    from scipy.spatial import cKDTree

    centres = (np.arange(image_size) + 0.5) / image_size
    pixels_P2 = np.stack(np.meshgrid(centres, centres), axis=-1).reshape(-1, 2)
    reach = hand.pen_width / 2 + 1 / image_size
    # A tree for a single use: quick to build rather than to search.
    tree = cKDTree(hand.write(drawing), balanced_tree=False, compact_nodes=False)
    nearest_P, _ = tree.query(pixels_P2, distance_upper_bound=reach)
    # Farther than `reach` is infinitely far, and has no ink either way.
    ink_P = np.clip((hand.pen_width / 2 - nearest_P) * image_size + 0.5, 0, 1)
    image_HW = (hand.paper + (hand.ink - hand.paper) * ink_P).reshape(image_size, image_size)
    noisy_HW = image_HW + _GRAIN * grain.standard_normal(image_HW.shape)
    return np.asarray(np.clip(np.rint(noisy_HW), 0, 255)[None], dtype=np.uint8)
