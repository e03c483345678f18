"""A heatmap as a picture: raw (NPY, score units), coloured, as a layer, or over its image (PNG); arrays as files.

JPEG is written by Pillow, PNG by our own few lines: Pillow tries five filters on every row; here every row is stored
as its difference to the one above, which suits maps and photographs alike, and run-length deflate packs it.
"""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Float32, Float64, UInt8
from PIL import Image, ImageDraw

from core.errors import ShapeError
from core.judging.regions import Region
from nominal_client.formats import PNG_SIGNATURE

PICTURE_BYTES = 28  # of a pixel while a map is drawn over its image, in grey and in colours

_OPACITY = 0.7  # at most: the part stays visible
_BOX = (0, 255, 255)  # cyan: nowhere else in the picture

_D65 = np.array([0.95047, 1.0, 1.08883])
_XYZ_TO_RGB = np.array([[3.2406, -1.5372, -0.4986], [-0.9689, 1.8758, 0.0415], [0.0557, -0.2040, 1.0570]])
_GREY, _RGB, _PALETTE = 0, 2, 3  # colour types
_UP = 2  # filter type: less the sample above
_WINDOW, _MEMORY = 15, 9  # of deflate, their largest


def overlay(
    image: UInt8[np.ndarray, "h w 3"],
    scores: Float32[np.ndarray, "h w"],
    threshold: float,
    regions: Sequence[Region] = (),
    opacities: UInt8[np.ndarray, " 256"] | None = None,
) -> UInt8[np.ndarray, "h w 3"]:
    """The image in grey with ``scores`` in colour over it, and a box around each of ``regions``.

    scores and threshold share one unit. opacities: of each level; ``ALPHAS``, where not given: nothing up to the
    threshold. Raises ShapeError for a map of another size than the image, or a
    threshold that is not above 0.
    """
    _check(image, scores, threshold)
    grey = Image.fromarray(image).convert("L").convert("RGB")
    levels = Image.fromarray(_levels(scores, threshold))
    heat = levels.copy()
    heat.putpalette(COLOURS.tobytes())
    drawn = Image.composite(
        heat.convert("RGB"), grey, levels.point((ALPHAS if opacities is None else opacities).tolist())
    )
    pen, line = ImageDraw.Draw(drawn), max(1, round(min(drawn.size) / 256))
    for r in regions:
        pen.rectangle((r.x, r.y, r.x + r.width - 1, r.y + r.height - 1), outline=_BOX, width=line)
    return np.array(drawn)


def _levels(scores: Float32[np.ndarray, "h w"], threshold: float) -> UInt8[np.ndarray, "h w"]:
    """0 to 255 for scores from 0 to twice the threshold; the rest is clipped."""
    scaled = np.clip(scores * np.float32(127.5 / threshold), 0, 255)
    return np.rint(scaled).astype(np.uint8)


def _colours() -> UInt8[np.ndarray, "256 3"]:
    """256 sRGB colours of even lightness steps, hue turning from violet through red to yellow."""
    t = np.linspace(0, 1, 256)
    lightness = 15 + 77 * t
    hue = np.deg2rad(300 + 160 * t)  # violet 300, red 380 = 20, yellow 460 = 100
    chroma = 40 + 40 * np.sin(np.pi * t)
    return _srgb(np.stack([lightness, chroma * np.cos(hue), chroma * np.sin(hue)], axis=1))


def _srgb(lab: Float64[np.ndarray, "n 3"]) -> UInt8[np.ndarray, "n 3"]:
    """CIE L*a*b* under D65 to sRGB, clipped to what a screen shows."""
    y = (lab[:, 0] + 16) / 116
    f = np.stack([y + lab[:, 1] / 500, y, y - lab[:, 2] / 200], axis=1)
    xyz = np.where(f > 6 / 29, f**3, 3 * (6 / 29) ** 2 * (f - 4 / 29)) * _D65
    linear = np.clip(xyz @ _XYZ_TO_RGB.T, 0, 1)
    encoded = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
    rgb: np.ndarray = np.rint(encoded * 255)
    return rgb.astype(np.uint8)


def _alphas() -> UInt8[np.ndarray, " levels"]:
    """Opacity of each level: 0 up to the threshold, so that a good part looks as it is; most from 1.5 times it on."""
    t = np.arange(256) / 127.5
    rising = np.interp(t, [1, 1.5], [0.55 * _OPACITY, _OPACITY])
    opacity: np.ndarray = np.rint(255 * np.where(t > 1, rising, 0))
    return opacity.astype(np.uint8)


def _fading() -> UInt8[np.ndarray, " levels"]:
    """Opacity of each level without a threshold: 0 at 0, rising with the cube to its most at the middle."""
    t = np.minimum(np.arange(256) / 127.5, 1)
    return np.rint(255 * _OPACITY * t**3).astype(np.uint8)


def _check(image: np.ndarray, scores: np.ndarray, threshold: float) -> None:
    if image.shape[:2] != scores.shape:
        raise ShapeError(
            requirement="A map must have the size of its image",
            received=f"a map of {scores.shape} for an image of {image.shape[:2]}",
            remedy="Draw the map over the image it was computed from.",
        )
    if not threshold > 0:
        raise ShapeError(
            requirement="The threshold of a map must be above 0",
            received=str(threshold),
            remedy="Pass the calibrated map threshold of the bank.",
        )


COLOURS = _colours()
ALPHAS = _alphas()
FADING = _fading()


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


def sparse(npy: bytes, side: int) -> bytes:
    """Every n-th row and column of a raw map, so that it has at most ``side`` each way; its values stay exact."""
    heat = np.load(io.BytesIO(npy), allow_pickle=False)
    step = max(1, -(-max(heat.shape) // side))
    return raw_bytes(np.ascontiguousarray(heat[::step, ::step]))


def _coloured(heat: Float32[np.ndarray, "h w"], threshold: float, *, transparent: bool) -> bytes:
    """A palette PNG: index 0 is score 0, 127.5 the threshold, 255 twice that and above; a layer has its opacities."""
    levels = np.clip(heat * np.float32(127.5 / threshold), 0, 255).round().astype(np.uint8)
    return png_bytes(levels, COLOURS, ALPHAS if transparent else None)


def png_bytes(
    image: UInt8[np.ndarray, "h w *rgb"],
    palette: UInt8[np.ndarray, "256 3"] | None = None,
    opacities: UInt8[np.ndarray, " 256"] | None = None,
) -> bytes:
    """A PNG of grey (h, w), RGB (h, w, 3), or of indices (h, w) into a palette of 256 RGB colours, with opacities."""
    kind = _RGB if image.ndim == 3 else _GREY if palette is None else _PALETTE
    height, width = image.shape[:2]
    header = struct.pack(">2I5B", width, height, 8, kind, 0, 0, 0)
    colours = b"" if palette is None else _chunk(b"PLTE", palette.tobytes())
    if opacities is not None:
        colours += _chunk(b"tRNS", opacities.tobytes())
    deflate = zlib.compressobj(1, zlib.DEFLATED, _WINDOW, _MEMORY, zlib.Z_RLE)
    packed = deflate.compress(_filtered(image.reshape(height, -1)).tobytes()) + deflate.flush()
    return b"".join(
        (PNG_SIGNATURE, _chunk(b"IHDR", header), colours, _chunk(b"IDAT", packed), _chunk(b"IEND", b""))
    )


def _filtered(rows: UInt8[np.ndarray, "h row"]) -> UInt8[np.ndarray, "h line"]:
    """Each row as its filter type and its samples less those above, modulo 256; above the first lie zeros."""
    lines = np.empty((rows.shape[0], rows.shape[1] + 1), np.uint8)
    lines[:, 0] = _UP
    lines[0, 1:] = rows[0]
    np.subtract(rows[1:], rows[:-1], out=lines[1:, 1:])
    return lines


def _chunk(name: bytes, content: bytes) -> bytes:
    return (
        struct.pack(">I", len(content))
        + name
        + content
        + struct.pack(">I", zlib.crc32(content, zlib.crc32(name)))
    )


def encode_png(image: UInt8[np.ndarray, "h w *rgb"]) -> bytes:
    """PNG of grey (h, w) or RGB (h, w, 3), every sample kept."""
    return png_bytes(image)


def encode_bmp(image: UInt8[np.ndarray, "h w 3"]) -> bytes:
    """BMP of RGB (h, w, 3), every sample kept: larger than PNG, and written and read in the time of a copy."""
    height, width = image.shape[:2]
    line = -(-3 * width // 4) * 4  # rows begin at multiples of four bytes
    rows = np.zeros((height, line), np.uint8)
    rows[:, : 3 * width] = image[::-1, :, ::-1].reshape(height, 3 * width)  # the lowest row first, blue first
    begin = 14 + 40
    head = struct.pack("<2sIHHI", b"BM", begin + rows.size, 0, 0, begin)
    return (
        head
        + struct.pack("<IiiHHIIiiII", 40, width, height, 1, 24, 0, rows.size, 0, 0, 0, 0)
        + rows.tobytes()
    )


def encode_jpeg(image: UInt8[np.ndarray, "h w *rgb"], quality: int = 90) -> bytes:
    """JPEG of grey (h, w) or RGB (h, w, 3), for looking at: twenty times faster than PNG, not exact."""
    return _save(Image.fromarray(image), "JPEG", quality=quality)


def thumbnail(image: UInt8[np.ndarray, "h w 3"], side: int = 256) -> bytes:
    """A JPEG for looking at, at most ``side`` pixels each way, never enlarged."""
    small = Image.fromarray(image)
    small.thumbnail((side, side), Image.Resampling.BICUBIC)
    return _save(small, "JPEG", quality=85)


def _save(image: Image.Image, kind: str, **options: int) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()
