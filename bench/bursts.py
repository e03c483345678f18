"""Bursts: several photographs of one part made from one, as a line camera that is triggered more than once takes them.

Each shot has its own shift, brightness, sensor noise and JPEG quality; ``castings`` draws rigid parts that are posed
alike, each with a surface of its own.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float64
from PIL import Image as Pillow
from scipy.ndimage import affine_transform, gaussian_filter

from app.errors import ImageRefused
from app.imaging.folders import read_image
from core.input.photograph import Image

SHOTS = (3, 10)  # of one part, fewest and most
CASTING = 256  # pixels a side


@dataclass(frozen=True)
class Jitter:
    """How much shots of one part differ, each drawn evenly.

    shift: pixels along each axis, either way. brightness: factor, 1 either way. noise: standard deviation at most,
    grey levels. quality: of JPEG, least and most. turn: degrees, either way.
    """

    shift: float = 2.0
    brightness: float = 0.1
    noise: float = 4.0
    quality: tuple[int, int] = (75, 95)
    turn: float = 0.0


DEFAULT = Jitter()


def burst(image: Image, count: int, rng: np.random.Generator, jitter: Jitter = DEFAULT) -> list[Image]:
    """So many shots of the part that an image shows; the image itself is not among them."""
    return [_shot(image, rng, jitter) for _ in range(count)]


def bursts(files: Sequence[Path], seed: int = 0) -> Iterator[tuple[int, Image]]:
    """(part, shot) of 3 to 10 shots of each file, part by part."""
    rng = np.random.default_rng(seed)
    for part, file in enumerate(files):
        for shot in burst(read(file), int(rng.integers(SHOTS[0], SHOTS[1] + 1)), rng):
            yield part, shot


def read(file: Path) -> Image:
    """A file's image; raises what refuses it."""
    image = read_image(file)
    if isinstance(image, ImageRefused):
        raise image
    return image


def castings(parts: int, copied: int, seed: int = 0) -> Iterator[tuple[int, Image]]:
    """(part, photograph) of rings with four holes posed alike; the first ``copied`` are photographed once more."""
    rng = np.random.default_rng(seed)
    turned = Jitter(turn=1.0)
    for part in range(parts):
        image = _casting(rng)
        yield part, image
        if part < copied:
            yield part, burst(image, 1, rng, turned)[0]


def _shot(image: Image, rng: np.random.Generator, jitter: Jitter) -> Image:
    moved = _moved(image.astype(np.float64), rng, jitter)
    lit = moved * rng.uniform(1 - jitter.brightness, 1 + jitter.brightness)
    grain = rng.normal(0.0, rng.uniform(0.0, jitter.noise), image.shape[:2])[..., None]
    return _encoded(np.clip(lit + grain, 0, 255).round().astype(np.uint8), rng, jitter)


def _moved(
    image: Float64[np.ndarray, "h w 3"], rng: np.random.Generator, jitter: Jitter
) -> Float64[np.ndarray, "h w 3"]:
    angle = np.deg2rad(rng.uniform(-jitter.turn, jitter.turn))
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    middle = (np.array(image.shape[:2]) - 1) / 2
    offset = middle - turn @ middle + rng.uniform(-jitter.shift, jitter.shift, 2)
    planes = [affine_transform(image[..., c], turn, offset, order=1, mode="nearest") for c in range(3)]
    return np.stack(planes, axis=-1)


def _encoded(image: Image, rng: np.random.Generator, jitter: Jitter) -> Image:
    low, high = jitter.quality
    packed = io.BytesIO()
    Pillow.fromarray(image).save(packed, "JPEG", quality=int(rng.integers(low, high + 1)))
    return np.asarray(Pillow.open(packed).convert("RGB"))


def _casting(rng: np.random.Generator) -> Image:
    """A grey ring on a lighter ground, within 2 pixels and half a degree of its place, its surface drawn at random."""
    y, x = np.mgrid[:CASTING, :CASTING] - (CASTING - 1) / 2
    radius = np.hypot(y, x)
    ring = (radius > 30) & (radius < 110)
    for quarter in range(4):
        angle = np.pi / 4 + quarter * np.pi / 2
        ring &= np.hypot(y - 70 * np.sin(angle), x - 70 * np.cos(angle)) > 14
    shape = gaussian_filter(ring.astype(np.float64), 1.5)
    lines = 12 * np.cos(radius / 4) * shape
    surface = 40 * gaussian_filter(rng.normal(size=shape.shape), 2.5)
    drawn = 190 - 90 * shape + lines + surface * shape
    posed = _moved(np.repeat(drawn[..., None], 3, axis=-1), rng, Jitter(turn=0.5))
    grain = rng.normal(0.0, 2.0, shape.shape)[..., None]
    return np.clip(posed + grain, 0, 255).round().astype(np.uint8)
