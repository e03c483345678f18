"""Decoded image -> normalised input tensor: the one resize that build, calibration and inspection share.

Letters: h w height and width of an image or input, height before width.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float32, UInt8
from torch import Tensor

from core.config import LARGEST_SIZE, STEP, InputConfig
from core.errors import ShapeError
from core.input.mask import filled
from core.input.photograph import Image, Photograph

LUMA, LUMA_SCALE = (19595, 38470, 7471), 65536
"""Shares of red, green and blue in a shade of grey (ITU-R BT.601), and what they are shares of."""


@dataclass(frozen=True)
class AxisMap:
    """One axis from original to input pixels: ``u = (x + 0.5) * scale + offset - 0.5`` for pixel centres."""

    source: int  # original pixels along the axis
    input: int  # input pixels along the axis, after padding and crop
    scale: float  # input pixels an original pixel spans
    offset: float  # input pixels added by padding, taken away by a crop


@dataclass(frozen=True)
class Frame:
    """Where an original image is in its input: one map per axis."""

    rows: AxisMap
    columns: AxisMap


def frame(config: InputConfig, height: int, width: int) -> Frame:
    """The geometry of an original image of (height, width) pixels under ``config``."""
    resized = _resized_shape(config, height, width)
    canvas = _canvas_shape(config, resized)
    rows, columns = (
        _axis(source, side, whole, config.crop)
        for source, side, whole in zip((height, width), resized, canvas, strict=True)
    )
    return Frame(rows, columns)


def to_tensor(
    image: Image, config: InputConfig, mean: Sequence[float], std: Sequence[float]
) -> Float32[Tensor, "3 h w"]:
    """RGB uint8 image -> resized, padded, cropped and normalised float32 input.

    Bilinear with antialiasing on uint8, as Pillow and torchvision do it. ``mean`` and ``std`` are in units of
    [0, 1] intensities. What a mask leaves out becomes the mean colour before the resize. Raises ShapeError for
    anything but a non-empty (h, w, 3) uint8 image, MaskError for one of another aspect ratio than the mask's.
    """
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or 0 in image.shape:
        raise ShapeError(
            requirement="an image must be RGB uint8 of shape (height, width, 3)",
            received=f"{image.dtype} of shape {image.shape}",
            remedy="decode it with app.imaging.decode.decode_image",
        )
    looked_at = filled(image, config.mask, mean) if config.mask else image
    resized = _resize(looked_at, _resized_shape(config, *image.shape[:2]))  # (3, h, w) uint8
    shown = _grey(resized) if config.grey else resized
    pixels = _normalised(shown, _levels(tuple(mean), tuple(std)))
    return _crop(_pad(pixels, _canvas_shape(config, (pixels.shape[1], pixels.shape[2]))), config.crop)


def picture(image: Image, config: InputConfig) -> UInt8[np.ndarray, "h w 3"]:
    """An image after the resize, before normalisation, padding and crop: what an exported detector takes."""
    resized = _resize(image, _resized_shape(config, *image.shape[:2]))
    return resized.permute(1, 2, 0).contiguous().numpy()


def frame_of(config: InputConfig, photograph: Photograph) -> Frame:
    """``frame`` of a photograph as decoded, perhaps at a fraction of its scale."""
    height, width = photograph.pixels.shape[:2]
    return frame(config, height * photograph.reduced, width * photograph.reduced)


def patch_grid(frame: Frame, pixels: int, stride: int) -> tuple[int, int]:
    """(rows, columns) of an image's patches: cells of ``pixels`` input pixels, every ``stride``-th of them."""

    def patches(side: int) -> int:
        return len(range((stride - 1) // 2, math.ceil(side / pixels), stride))

    return patches(frame.rows.input), patches(frame.columns.input)


def patch_place(
    row: int, column: int, grid: tuple[int, int], frame: Frame, offset: float = 0.0
) -> tuple[int, int]:
    """The original pixel (y, x) nearest to where one patch of a (gh, gw) grid looks."""
    return _original(frame.rows, row, grid[0], offset), _original(frame.columns, column, grid[1], offset)


def _original(axis: AxisMap, cell: int, cells: int, offset: float) -> int:
    centre = (cell + 0.5) * axis.input / cells + offset  # input pixels from the edge
    return int(np.clip((centre - axis.offset) / axis.scale, 0, axis.source - 1))


def reduced(image: Image, side: int) -> Image:
    """A copy with the long side at most ``side`` pixels, never enlarged; its aspect never grows by rounding."""
    ratio = side / max(image.shape[:2])
    if ratio >= 1:
        return image.copy()
    height, width = (min(side, math.ceil(length * ratio)) for length in image.shape[:2])
    return _resize(image.copy(), (height, width)).permute(1, 2, 0).contiguous().numpy()


def _resized_shape(config: InputConfig, height: int, width: int) -> tuple[int, int]:
    if config.fit == "stretch":
        return config.size, config.size
    if config.fit == "letterbox":
        ratio = config.size / max(height, width)
        return max(1, round(height * ratio)), max(1, round(width * ratio))
    ratio = config.size / min(height, width)
    longest = max(config.size, round(max(height, width) * ratio / STEP) * STEP)
    if longest > LARGEST_SIZE:
        raise ShapeError(
            requirement=f"with fit short_side the long side must not pass {LARGEST_SIZE} input pixels",
            received=f"an image of {height} x {width}, which becomes {longest}",
            remedy="use fit letterbox or stretch for images this long",
        )
    return (config.size, longest) if height <= width else (longest, config.size)


def _canvas_shape(config: InputConfig, resized: tuple[int, int]) -> tuple[int, int]:
    return (config.size, config.size) if config.fit == "letterbox" else resized


def _axis(source: int, resized: int, canvas: int, crop: int | None) -> AxisMap:
    side = canvas if crop is None else crop
    offset = (canvas - resized) // 2 - (canvas - side) // 2
    return AxisMap(source=source, input=side, scale=resized / source, offset=float(offset))


def _resize(image: Image, shape: tuple[int, int]) -> UInt8[Tensor, "3 h w"]:
    source = torch.from_numpy(np.ascontiguousarray(image)).permute(2, 0, 1)[None]  # channels last: fast
    if image.shape[:2] == shape:
        return source[0]
    return F.interpolate(source, size=shape, mode="bilinear", antialias=True, align_corners=False)[0]


def _grey(rgb: UInt8[Tensor, "3 h w"]) -> UInt8[Tensor, "3 h w"]:
    """Luma (ITU-R BT.601) in each channel, in whole numbers: the same on every machine."""
    red, green, blue = rgb.to(torch.int32)
    luma: Tensor = (LUMA[0] * red + LUMA[1] * green + LUMA[2] * blue + LUMA_SCALE // 2) // LUMA_SCALE
    return luma.to(torch.uint8).expand_as(rgb)


@lru_cache(maxsize=8)
def _levels(mean: tuple[float, ...], std: tuple[float, ...]) -> Float32[np.ndarray, "3 256"]:
    """What each of the 256 samples of each channel becomes."""
    scale, shift = scale_and_shift(mean, std)
    samples = torch.arange(256, dtype=torch.float32)
    return (samples * scale[:, None] - shift[:, None]).numpy()


def scale_and_shift(
    mean: Sequence[float], std: Sequence[float]
) -> tuple[Float32[Tensor, " c"], Float32[Tensor, " c"]]:
    """Normalisation as ``sample * scale - shift``, of samples from 0 to 255."""
    deviation = torch.tensor(std, dtype=torch.float32)
    return 1.0 / (255.0 * deviation), torch.tensor(mean, dtype=torch.float32) / deviation


def _normalised(
    samples: UInt8[Tensor, "3 h w"], levels: Float32[np.ndarray, "3 256"]
) -> Float32[Tensor, "3 h w"]:
    """Looked up on the calling thread: torch would split this among threads, whose meeting costs more than the work."""
    pixels = np.empty(samples.shape, np.float32)
    for channel in range(3):
        np.take(levels[channel], samples[channel].numpy(), out=pixels[channel], mode="clip")
    return torch.from_numpy(pixels)


def _pad(pixels: Float32[Tensor, "3 h w"], canvas: tuple[int, int]) -> Float32[Tensor, "3 H W"]:
    """Centre on a canvas of zeros, which after normalisation is the backbone's mean colour."""
    h, w = pixels.shape[1:]
    top, left = (canvas[0] - h) // 2, (canvas[1] - w) // 2
    return F.pad(pixels, (left, canvas[1] - w - left, top, canvas[0] - h - top))


def _crop(pixels: Float32[Tensor, "3 h w"], crop: int | None) -> Float32[Tensor, "3 c d"]:
    if crop is None:
        return pixels.contiguous()
    h, w = pixels.shape[1:]
    top, left = (h - crop) // 2, (w - crop) // 2
    return pixels[:, top : top + crop, left : left + crop].contiguous()
