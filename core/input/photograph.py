"""A decoded image, and how much of it becomes a backbone's input. Without torch.

core/input/preprocess.py makes the input.

Letters: h w height and width of an image, height before width.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import UInt8

from core.config import InputConfig

REDUCTIONS = (8, 4, 2)  # of a side: the scales of JPEG's transform, and factors no rounding of a size notices
UNUSED = 2  # highest bits that no well exposed image leaves at 0
GAP = 2  # original pixels an input pixel that a reduced JPEG keeps at least

Image = UInt8[np.ndarray, "_ _ 3"]
"""A decoded image, RGB: (height, width, 3)."""


@dataclass(frozen=True, eq=False)
class Photograph:
    """An image as decoded, perhaps at a fraction of its scale.

    pixels: RGB; reduced: how many original pixels a side each of them stands for: 1, 2, 4 or 8. bits: (those that the
    brightest sample takes, those of a sample) of a grey image whose samples are wider than a byte, else None.
    """

    pixels: Image
    reduced: int = 1
    bits: tuple[int, int] | None = None

    @property
    def dark(self) -> bool:
        """Whether several of its highest bits are unused: only the highest eight are looked at, and show little."""
        return self.bits is not None and is_dark(self.bits)

    @classmethod
    def of(cls, image: Image | Photograph) -> Photograph:
        """An array alone is an image decoded whole."""
        return image if isinstance(image, Photograph) else cls(image)

    @property
    def shape(self) -> tuple[int, int]:
        """(height, width) of the original, pixels."""
        height, width = self.pixels.shape[:2]
        return height * self.reduced, width * self.reduced


def is_dark(bits: tuple[int, int]) -> bool:
    """Whether the brightest sample leaves several of the highest bits unused."""
    return bits[0] <= bits[1] - UNUSED


def reduction(config: InputConfig, height: int, width: int) -> int:
    """How many original pixels a side a JPEG of (height, width) is decoded to one: 8, 4, 2, or 1 for whole.

    A power of two that divides both sides, so that the input has the shape and the place it has without; and small
    enough that ``GAP`` decoded pixels are left for each of the input, among which the antialiased resize chooses.
    """
    if not config.reduced_jpeg:
        return 1
    fitted = max(height, width) if config.fit == "letterbox" else min(height, width)
    fits = (by for by in REDUCTIONS if height % by == width % by == 0 and fitted >= by * GAP * config.size)
    return next(fits, 1)
