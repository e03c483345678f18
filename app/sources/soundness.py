"""Whether a picture is one: not grey all over, and not ended half way.

A decoder that gets half a picture fills the rest with one colour. So rows at the lower edge that are all of one colour,
neither black nor white, which a dark or bright background may be, are what was lost.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import UInt8

LEAST_CONTRAST = 1.5  # standard deviation of grey levels, of 255: sensors' noise is about one
LEAST_LOST = 1 / 16  # of the height
SAME = 2  # levels by which one colour may differ after compression
BLACK, WHITE = 2, 253
SAMPLES = 512  # of a row or column that are looked at


def wrong_with(pixels: UInt8[np.ndarray, "h w 3"]) -> str | None:
    """What, in words; None for a picture."""
    height, width, _ = pixels.shape
    columns = pixels[:, :: max(1, width // SAMPLES)].astype(np.int16)  # (h, about 512, 3)
    if float(columns[:: max(1, height // SAMPLES)].mean(2).std()) < LEAST_CONTRAST:
        return "a picture of one colour, without anything in it"
    lost = _lost_rows(columns)
    if lost >= max(2, LEAST_LOST * height):
        return f"half a picture: its last {lost} of {height} rows are of one colour"
    return None


def _lost_rows(columns: np.ndarray) -> int:
    last = columns[-1].mean(0)  # (3)
    if (last <= BLACK).all() or (last >= WHITE).all():
        return 0
    same = (np.abs(columns - last).max((1, 2)) <= SAME)[::-1]  # (h), from below
    return int(same.size if same.all() else same.argmin())
