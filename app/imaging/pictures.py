"""A heatmap as a file: raw (NPY, score units), coloured (PNG), to lay over its image (PNG), or laid over it (PNG)."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Float32, UInt8

from app.imaging.overlay import ALPHAS, COLOURS, overlay
from app.imaging.png import encode_png, png_bytes
from core.judging.regions import Region

Kind = Literal["png", "layer", "overlay", "raw"]
PNG, NPY = "image/png", "application/x-npy"
SMALLEST = 1e-12  # a scale must have a length


@dataclass(frozen=True)
class Picture:
    """A file in memory."""

    kind: Kind
    media_type: str
    data: bytes


def draw(
    kind: Kind,
    image: Callable[[], UInt8[np.ndarray, "h w 3"]],
    heat: Float32[np.ndarray, "h w"],
    threshold: float,
    regions: Sequence[Region],
) -> Picture:
    """The map in the form asked for. Colours mean the same score in every picture: the middle is ``threshold``.

    image: called where the map is laid over it.
    """
    scale = max(threshold, SMALLEST)
    if kind == "raw":
        return Picture(kind, NPY, raw_bytes(heat))
    if kind == "overlay":
        return Picture(kind, PNG, encode_png(overlay(image(), heat, scale, regions)))
    return Picture(kind, PNG, _coloured(heat, scale, transparent=kind == "layer"))


def raw_bytes(heat: Float32[np.ndarray, "h w"]) -> bytes:
    """The map as a NumPy file, float32, no pickle."""
    file = io.BytesIO()
    np.save(file, heat, allow_pickle=False)
    return file.getvalue()


def _coloured(heat: Float32[np.ndarray, "h w"], threshold: float, *, transparent: bool) -> bytes:
    """A palette PNG: index 0 is score 0, 127.5 the threshold, 255 twice that and above; a layer has its opacities."""
    levels = np.clip(heat * np.float32(127.5 / threshold), 0, 255).round().astype(np.uint8)
    return png_bytes(levels, COLOURS, ALPHAS if transparent else None)
