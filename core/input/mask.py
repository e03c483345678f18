"""Where photographs of a bank are looked at: a mask, kept as text among its settings.

What a mask leaves out is filled with the backbone's mean colour before the resize, so that pixels there change no
feature; patches that lie there are neither learned nor scored (``core.input.cells``).
Letters: h w rows and columns of a mask, H W of an image; height before width.
"""

from __future__ import annotations

import base64
import binascii
import itertools
import re
import zlib
from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from jaxtyping import Bool, UInt8

from core.declared import require
from core.errors import ConfigError, MaskError

SIDE = 1024  # pixels that the long side of a kept mask has at most
LONGEST = 24_000  # characters of its text
SAME_ASPECT = 0.03  # relative difference of two aspect ratios that is no more than rounding

_TEXT = re.compile(r"([1-9]\d{0,3})x([1-9]\d{0,3}):([A-Za-z0-9+/]+={0,2})")


def mask_text(mask: Bool[np.ndarray, "h w"]) -> str:
    """A mask as settings keep it: ``<rows>x<columns>:`` and its packed bits, compressed, in base64.

    mask: True where photographs are inspected; one larger than SIDE is reduced to it. Raises ConfigError for a mask
    that leaves out everything or nothing, or has so fine a pattern that its text passes LONGEST.
    """
    require(mask.ndim == 2 and mask.size > 0, "a mask must be a picture", mask.shape, "draw it again")
    reduction = max(1, -(-max(mask.shape) // SIDE))
    rows, columns = (-(-side // reduction) for side in mask.shape)
    small = scaled(mask, rows, columns)
    require(
        bool(small.any()),
        "a mask must leave something to inspect",
        "one that leaves out every pixel",
        "paint white what is to be inspected, and black the rest",
    )
    require(
        not small.all(),
        "a mask must leave something out",
        "one that is white everywhere",
        "paint black what is not to be inspected, or use no mask",
    )
    packed = zlib.compress(np.packbits(small).tobytes(), 9)
    text = f"{rows}x{columns}:{base64.b64encode(packed).decode('ascii')}"
    require(
        len(text) <= LONGEST,
        f"a mask's outlines must fit into {LONGEST:,} characters once compressed",
        f"{len(text):,}",
        "draw it with smooth outlines, without a raster or noise",
    )
    return text


@lru_cache(maxsize=16)
def mask_of(text: str) -> Bool[np.ndarray, "h w"]:
    """The mask that a text keeps, True where photographs are inspected; not to be written to. Raises ConfigError."""
    found = _TEXT.fullmatch(text) if len(text) <= LONGEST else None
    if found is None:
        raise _unreadable("other characters" if len(text) <= LONGEST else f"{len(text):,} characters")
    rows, columns = int(found[1]), int(found[2])
    need = -(-rows * columns // 8)
    try:
        unpacking = zlib.decompressobj()
        bits = unpacking.decompress(base64.b64decode(found[3], validate=True), need + 1)
    except (binascii.Error, zlib.error) as error:
        raise _unreadable(str(error)) from None
    if max(rows, columns) > SIDE or len(bits) != need or not unpacking.eof:
        raise _unreadable(
            f"{rows} x {columns} pixels with another number of bits, or more than {SIDE} a side"
        )
    mask = (
        np.unpackbits(np.frombuffer(bits, np.uint8), count=rows * columns).reshape(rows, columns).astype(bool)
    )
    if mask.all() or not mask.any():
        raise _unreadable("a mask of one colour")
    mask.setflags(write=False)  # shared by every caller through the cache
    return mask


def scaled(mask: Bool[np.ndarray, "h w"], height: int, width: int) -> Bool[np.ndarray, "H W"]:
    """The mask at another size: each pixel takes the one that its centre lies on."""
    rows, columns = (
        ((np.arange(new) + 0.5) * (old / new)).astype(np.int64)
        for new, old in zip((height, width), mask.shape, strict=True)
    )
    found: Bool[np.ndarray, "H W"] = mask[rows[:, None], columns[None]]
    return found


def filled(image: UInt8[np.ndarray, "H W 3"], text: str, mean: Sequence[float]) -> UInt8[np.ndarray, "H W 3"]:
    """A copy with the mean colour, of [0, 1] intensities, wherever the mask leaves out.

    Raises MaskError for an image of another aspect ratio than the mask's.
    """
    height, width = image.shape[:2]
    row = np.tile(np.rint(255 * np.asarray(mean)).astype(np.uint8), width)
    out = np.ascontiguousarray(image).reshape(height, 3 * width).copy()
    for top, bottom, left, right in _left_out(text, height, width):
        out[top:bottom, left:right] = row[left:right]
    return out.reshape(height, width, 3)


def inspected_share(text: str | None) -> float:
    """The share of a photograph's pixels that a mask leaves in, in (0, 1]; 1 without a mask."""
    return 1.0 if text is None else float(mask_of(text).mean())


def check_aspect(text: str | None, height: int, width: int, name: str = "", among: str = "") -> None:
    """Raises MaskError unless an image of (height, width) pixels has the aspect ratio of the mask, if there is one.

    name, among: of the image and of those it is one of, to be said where there are several.
    """
    if text is None:
        return
    rows, columns = mask_of(text).shape
    expected = width * rows / columns
    if abs(height - expected) > max(1, SAME_ASPECT * expected):
        raise MaskError(
            requirement=f"a photograph must have the aspect ratio of the bank's mask, {columns} x {rows}",
            received=f"{name and f'{name} of '}{width} x {height} pixels{among and f' among {among}'}",
            remedy="photograph as the mask was drawn, or draw a mask for these photographs",
        )


@lru_cache(maxsize=8)
def _left_out(text: str, height: int, width: int) -> tuple[tuple[int, int, int, int], ...]:
    """Blocks (top, bottom, left, right) of an image that a mask leaves out; left and right count samples, 3 a pixel."""
    check_aspect(text, height, width)
    mask = scaled(mask_of(text), height, width)
    changes = np.flatnonzero((mask[1:] != mask[:-1]).any(axis=1)) + 1
    edges = [0, *changes.tolist(), height]
    blocks = []
    for top, bottom in itertools.pairwise(edges):
        ends = np.flatnonzero(np.diff(mask[top], prepend=True, append=True))
        blocks += [
            (top, bottom, 3 * a, 3 * b) for a, b in zip(ends[::2].tolist(), ends[1::2].tolist(), strict=True)
        ]
    return tuple(blocks)


def _unreadable(received: str) -> ConfigError:
    return ConfigError(
        requirement="a mask in settings must be the text that Nominal made of a picture",
        received=received[:80],
        remedy="give the picture itself: --mask FILE, or PUT /v1/banks/{bank}/mask",
    )
