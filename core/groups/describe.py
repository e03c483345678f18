"""What near-duplicates are found by, kept of each image while its features stream by: 7 kB, whatever the backbone.

A descriptor, the 4 x 4 average grid of the backbone's last map hashed to 512 numbers (feature hashing: Weinberger et
al. 2009), and a texture. Hashing keeps products of descriptors in expectation, and bounds the memory: 1,920 or 16,384
numbers become 512.
Letters: b images of a batch, n of a set, c channels, m numbers of a descriptor.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch.nn.functional as F
from jaxtyping import Complex64, Float16, Float32
from torch import Tensor

from core.errors import ShapeError
from core.groups.texture import CYCLES, texture
from core.parallel import run_alone, run_parts

GRID = 4  # cells a side that the last map is averaged to
SKETCH = 512  # numbers of a descriptor at most
DIGEST = 16  # bytes


@dataclass(frozen=True, eq=False)
class Described:
    """What is kept of n images, in their order.

    sketches (n, m): descriptors. textures (n, v, u, 2): real and imaginary parts of each spectrum. digests: equal
    where the inputs are, bit for bit.
    """

    sketches: Float32[np.ndarray, "n m"]
    textures: Float16[np.ndarray, "n v u 2"]
    digests: tuple[bytes, ...]

    def __post_init__(self) -> None:
        if not len(self.sketches) == len(self.textures) == len(self.digests) > 0:
            raise ShapeError(
                requirement="each image must have a descriptor, a texture and a digest, and there must be one",
                received=f"{len(self.sketches)}, {len(self.textures)} and {len(self.digests)}",
                remedy="describe every image of the set once",
            )

    @classmethod
    def of(cls, parts: Sequence[Described]) -> Described:
        """Those of several processes, one after the other."""
        return cls(
            np.concatenate([part.sketches for part in parts]),
            np.concatenate([part.textures for part in parts]),
            tuple(digest for part in parts for digest in part.digests),
        )

    def spectra(self, rows: np.ndarray) -> Complex64[np.ndarray, "n v u"]:
        """Textures of some images as complex numbers."""
        parts = self.textures[rows].astype(np.float32)
        return np.ascontiguousarray(parts).view(np.complex64)[..., 0]


class Describer:
    """Accumulates ``Described`` batch by batch. The same batches and seed give the same bits on any threads."""

    def __init__(self, seed: int = 0) -> None:
        self._seed = seed
        self._hash: tuple[np.ndarray, np.ndarray] | None = None
        self._sketches: list[np.ndarray] = []
        self._textures: list[np.ndarray] = []
        self._digests: list[bytes] = []

    def add(self, inputs: Float32[Tensor, "b 3 h w"], last: Float32[Tensor, "b c y x"]) -> None:
        """Keep what a batch is found by: its inputs, and the backbone's last map of them.

        Raises ShapeError for another number of maps than inputs, or of channels than before.
        """
        grids = (
            run_alone(partial(F.adaptive_avg_pool2d, last.float(), GRID)).cpu().flatten(1).numpy()
        )  # (b, c * 16)
        if len(inputs) != len(grids) or (self._hash and grids.shape[1] != len(self._hash[0])):
            raise ShapeError(
                requirement="each input must come with its last feature map, all of one backbone",
                received=f"{len(inputs)} inputs, maps {tuple(last.shape)}",
                remedy="pass a batch and the last of the maps extracted from it",
            )
        self._hash = self._hash or _hashing(grids.shape[1], self._seed)
        self._sketches += [_hashed(grid, *self._hash) for grid in grids]
        for spectrum, digest in run_parts(_seen, inputs.cpu()):
            self._textures.append(spectrum)
            self._digests.append(digest)

    def described(self) -> Described:
        """All that was added. Raises ShapeError for nothing."""
        size = self._sketches[0].shape if self._sketches else (1,)
        shape = (-1, 2 * CYCLES + 1, CYCLES + 1, 2)
        return Described(
            np.array(self._sketches, np.float32).reshape(-1, *size),
            np.array(self._textures, np.float16).reshape(shape),
            tuple(self._digests),
        )


def _seen(pixels: Float32[Tensor, "3 h w"]) -> tuple[np.ndarray, bytes]:
    spectrum = np.ascontiguousarray(texture(pixels))
    digest = hashlib.blake2b(digest_size=DIGEST, person=repr(tuple(pixels.shape)).encode()[:16])
    digest.update(pixels.contiguous().numpy().data)
    return spectrum.view(np.float32).reshape(*spectrum.shape, 2).astype(np.float16), digest.digest()


def _hashing(size: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """For each number of a grid: which of a descriptor's it is added to, and its sign."""
    if size <= SKETCH:
        return np.arange(size), np.ones(size)
    rng = np.random.default_rng(seed)
    return rng.integers(0, SKETCH, size), rng.choice([-1.0, 1.0], size)


def _hashed(
    grid: Float32[np.ndarray, " _"], place: np.ndarray, sign: np.ndarray
) -> Float32[np.ndarray, " m"]:
    """Sums in float64, one after the other."""
    return np.bincount(place, grid * sign, int(place.max()) + 1).astype(np.float32)
