"""Seeded photographs of a part with texture, turned, moved and enlarged by known transforms."""

from __future__ import annotations

import math

import numpy as np
from scipy.ndimage import affine_transform, gaussian_filter

SIZE = (240, 320)


def part(seed: int = 0, size: tuple[int, int] = SIZE) -> np.ndarray:
    """A picture with blobs of many sizes, which fade towards its border."""
    rng = np.random.default_rng(seed)
    blobs = sum(gaussian_filter(rng.normal(0, sigma, size), sigma) for sigma in (2.0, 4.0, 8.0))
    y, x = (np.linspace(-1, 1, side) for side in size)
    inside = np.clip(6 * (0.9 - np.hypot(y[:, None], x[None])), 0, 1)
    grey = 120 + 70 * inside * blobs / np.abs(blobs).max() * 2
    return np.repeat(np.clip(grey, 0, 255).astype(np.uint8)[..., None], 3, axis=2)


def unlike(seed: int) -> np.ndarray:
    """Blots that share neither points nor outlines with those of another seed."""
    blots = gaussian_filter(np.random.default_rng(seed).normal(0, 900, SIZE), 12) + 128
    return noisy(np.repeat(blots[..., None], 3, axis=2), seed)


def moved(
    image: np.ndarray, degrees: float, scale: float = 1.0, shift: tuple[float, float] = (0, 0)
) -> tuple[np.ndarray, np.ndarray]:
    """The image turned clockwise and enlarged about its middle, then shifted by (x, y); and the matrix that did it."""
    turn = math.radians(degrees)
    cos, sin = scale * math.cos(turn), scale * math.sin(turn)
    middle = (np.array(image.shape[1::-1]) - 1) / 2
    linear = np.array([[cos, -sin], [sin, cos]])  # of (x, y)
    matrix = np.eye(3)
    matrix[:2, :2], matrix[:2, 2] = linear, middle - linear @ middle + shift
    back = np.linalg.inv(matrix)
    of_rows = back[:2, :2][::-1, ::-1]
    planes = [affine_transform(image[..., c], of_rows, back[1::-1, 2], order=1, cval=120) for c in range(3)]
    return np.stack(planes, axis=2), matrix


def noisy(image: np.ndarray, seed: int) -> np.ndarray:
    noise = np.random.default_rng(seed).normal(0, 2, image.shape)
    return np.clip(image + noise, 0, 255).astype(np.uint8)


def taken(count: int = 8, degrees: float = 3.0) -> list[np.ndarray]:
    """Photographs of one part, each turned a little further; the first as the part lies."""
    return [noisy(moved(part(), degrees * i, shift=(i, -i))[0], i) for i in range(count)]


def furthest(found: np.ndarray, expected: np.ndarray, size: tuple[int, int] = SIZE) -> float:
    """Pixels between two transforms of the middle half of a picture, at most."""
    h, w = size
    places = np.array([[x, y, 1] for x in (w / 4, w / 2, 3 * w / 4) for y in (h / 4, h / 2, 3 * h / 4)]).T
    return float(np.linalg.norm(((found - expected) @ places)[:2], axis=0).max())
