"""An input's texture, and how well two of them match when one is moved (phase correlation, Kuglin and Hines 1975).

A texture is the input at 160 pixels a side, high-passed and locally normalised, kept as its lowest frequencies. What
all photographs of a set share, such as the edges of parts that are posed alike or the lines of a grid, has its power
at the same frequencies in each of them, and dividing by that power leaves what is each part's own.
`python -m bench.groups` shows it with castings that are drawn posed alike.
Letters: n images, q kept frequencies (v, u) of rows and columns, l lags.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache

import numpy as np
import scipy.fft
import torch
import torch.nn.functional as F
from jaxtyping import Complex64, Float32, Int64
from torch import Tensor

from core.parallel import run_parts

SIDE = 160  # pixels
CYCLES = 24  # highest frequency kept, per side: beyond it sensor noise and re-encoding outweigh the part
LAG = 20  # pixels of SIDE that one photograph may be moved against the other, either way
DETAIL, NEIGHBOURHOOD = 3.0, 8.0  # pixels: Gaussians of the high pass, and of the local contrast
FLAT = 0.5  # of the mean contrast, added to the local one: flat ground is no texture
EVEN = 1e-3  # of an input's values, a tenth of a grey level: what varies less is rounding
FLOOR = 0.01  # of the mean power, added to each frequency's
EVIDENCE = 3  # images' worth of even power added to the set's, or few parts would be whitened by themselves
BLOCK = 64  # pairs multiplied at a time


def texture(pixels: Float32[Tensor, "c h w"]) -> Complex64[np.ndarray, "v u"]:
    """The spectrum of one input's texture, of length 1 over all frequencies; 0 for an even input. On one thread.

    Rows are the frequencies 0..CYCLES, -CYCLES..-1, columns 0..CYCLES.
    """
    grey = pixels.mean(dim=0)[None, None]
    small = F.interpolate(grey, size=(SIDE, SIDE), mode="bilinear", antialias=True, align_corners=False)[0, 0]
    detail = small - _blurred(small, DETAIL)
    contrast = _blurred(detail * detail, NEIGHBOURHOOD).clamp_min(0).sqrt()
    level = contrast + FLAT * detail.square().mean().sqrt()
    even = (detail / level.clamp_min(EVEN)).numpy()
    spectrum = scipy.fft.rfft2(even - even.mean(), norm="ortho")
    kept = np.concatenate([spectrum[: CYCLES + 1], spectrum[-CYCLES:]])[:, : CYCLES + 1]
    length = np.sqrt((_twice() * np.abs(kept) ** 2).sum())
    unit: Complex64[np.ndarray, "v u"] = (kept * (length > 1) / max(float(length), 1)).astype(np.complex64)
    return unit


def whitened(textures: Complex64[np.ndarray, "n v u"]) -> Complex64[np.ndarray, "n v u"]:
    """Each divided by the root of the set's mean power at each frequency, and of length 1 again.

    The power is shrunk towards an even one, the more the fewer images there are.
    """
    power = np.zeros(textures.shape[1:])
    for one in textures:
        power += np.abs(one) ** 2
    power /= len(textures)
    scale = np.sqrt(power + (FLOOR + EVIDENCE / len(textures)) * power.mean()).clip(1e-12)
    out = np.empty_like(textures)
    for i, one in enumerate(textures):
        flat = one / scale
        length = float(np.sqrt((_twice() * np.abs(flat) ** 2).sum()))
        out[i] = flat / max(length, 1e-12)
    return out


def coarse(whitened: Complex64[np.ndarray, "n v u"], cycles: int) -> Float32[np.ndarray, "n q"]:
    """The lowest frequencies as vectors of length 1: near for textures that match with hardly a move."""
    low = np.concatenate([whitened[:, : cycles + 1], whitened[:, -cycles:]], axis=1)[:, :, : cycles + 1]
    flat = low.reshape(len(low), -1)
    vectors = np.concatenate([flat.real, flat.imag], axis=1).astype(np.float64)
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True).clip(1e-12)
    unit: Float32[np.ndarray, "n q"] = (vectors / lengths).astype(np.float32)
    return unit


def peaks(
    whitened: Complex64[np.ndarray, "n v u"], first: Int64[np.ndarray, " m"], second: Int64[np.ndarray, " m"]
) -> Float32[np.ndarray, " m"]:
    """The highest correlation of each pair within LAG pixels, at most 1, and 1 for equal textures.

    Every lag is one term of the inverse Fourier transform of the product of two spectra; of 160 x 160 lags only
    41 x 41 are asked for, and those take less time as two small products than by FFT.
    """
    rows, columns = _lags()

    def block(part: slice) -> Float32[np.ndarray, " _"]:
        cross = torch.from_numpy(whitened[first[part]]) * torch.from_numpy(whitened[second[part]]).conj()
        return ((rows @ cross) @ columns).real.amax(dim=(1, 2)).numpy()  # (m, l, l)

    found = run_parts(block, _blocks(len(first)))
    return np.concatenate([np.empty(0, np.float32), *found])


def _blocks(count: int) -> Iterator[slice]:
    return (slice(a, a + BLOCK) for a in range(0, count, BLOCK))


@cache
def _lags() -> tuple[Tensor, Tensor]:
    """The terms of the inverse transform: (l, v) for rows; (u, l) for columns, which stand for their conjugates too."""
    lags = np.arange(-LAG, LAG + 1)
    rows = np.exp(2j * np.pi * np.outer(lags, _frequencies()) / SIDE)
    columns = np.exp(2j * np.pi * np.outer(np.arange(CYCLES + 1), lags) / SIDE) * _twice()[0][:, None]
    return torch.from_numpy(rows.astype(np.complex64)), torch.from_numpy(columns.astype(np.complex64))


def _frequencies() -> Int64[np.ndarray, " v"]:
    return np.concatenate([np.arange(CYCLES + 1), np.arange(-CYCLES, 0)])


@cache
def _twice() -> Float32[np.ndarray, "1 u"]:
    """How often a column counts: that of frequency 0 once, others for their conjugates too."""
    return np.where(np.arange(CYCLES + 1) == 0, 1, 2).astype(np.float32)[None]


def _blurred(image: Float32[Tensor, "s s"], sigma: float) -> Float32[Tensor, "s s"]:
    matrix = _gaussian(sigma)
    return matrix @ image @ matrix.T


@cache
def _gaussian(sigma: float) -> Float32[Tensor, "s s"]:
    """A Gaussian as a matrix over the pixels of a row; at its ends, what lies within takes all the weight."""
    place = np.arange(SIDE)
    weights = np.exp(-0.5 * ((place[:, None] - place[None]) / sigma) ** 2)
    return torch.from_numpy((weights / weights.sum(axis=1, keepdims=True)).astype(np.float32))
