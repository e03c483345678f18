"""Several shots of one part from one photograph: what a camera, a hand and a file format change between two.

A shot is moved by up to 2 pixels, is up to 5 % brighter or darker, has sensor noise of its own and is saved as JPEG.
"""

from __future__ import annotations

import io

import numpy as np
from jaxtyping import UInt8
from PIL import Image as Pillow

SHOTS = (3, 10)  # fewest and most
SHIFT = 2  # pixels
LIGHT = 0.05  # relative
NOISE = (1.0, 4.0)  # standard deviation, of 255
QUALITY = (75, 95)  # of JPEG


def shots(image: UInt8[np.ndarray, "h w 3"], rng: np.random.Generator) -> list[UInt8[np.ndarray, "h w 3"]]:
    """From 3 to 10 of one photograph, each drawn anew."""
    return [_shot(image, rng) for _ in range(rng.integers(SHOTS[0], SHOTS[1] + 1))]


def _shot(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    y, x = rng.integers(0, 2 * SHIFT + 1, 2)
    h, w = image.shape[:2]
    wide = np.pad(image, ((SHIFT, SHIFT), (SHIFT, SHIFT), (0, 0)), mode="edge")
    moved = wide[y : y + h, x : x + w] * rng.uniform(1 - LIGHT, 1 + LIGHT)
    noisy = moved + rng.normal(0, rng.uniform(*NOISE), moved.shape)
    file = io.BytesIO()
    quality = int(rng.integers(QUALITY[0], QUALITY[1] + 1))
    Pillow.fromarray(noisy.clip(0, 255).round().astype(np.uint8)).save(file, "JPEG", quality=quality)
    return np.asarray(Pillow.open(file).convert("RGB"))
