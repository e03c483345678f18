"""Photographs of a threaded part, drawn: small defects in a large picture, as screws and bolts show them.

A bolt with a head, a smooth neck and a thread before a dark ground, a little moved, turned and lit otherwise in each
photograph. A defect takes about a fortieth of the side: a nick in the thread, a flattened turn, a burr, a scratch or a
stain.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from app.imaging.pictures import encode_png
from bench.datasets import write_files

DEFECTS = ("nick", "flat", "burr", "scratch", "stain")
TURN, SHIFT, LIGHT = 2.0, 0.01, 0.04  # degrees, shares of the side and of the light, either way
PITCH = 0.022  # of the thread, as a share of the side


@dataclass(frozen=True)
class Threads:
    """How many photographs of ``side`` pixels: to learn, good ones to test, and of each defect."""

    side: int = 640
    train: int = 120
    good: int = 30
    each: int = 8
    seed: int = 0


def write_threads(out: Path, of: Threads) -> Path:
    """Write the set in MVTec form and return ``out``; nothing is done where the same set is there."""
    files = {f"{folder}/{i:03d}.png": encode_png(image) for folder, i, image in _images(of)}
    return write_files(out, json.dumps(asdict(of)), files)


def _images(of: Threads) -> Iterator[tuple[str, int, np.ndarray]]:
    rng = np.random.default_rng(of.seed)
    for folder, count in (("train/good", of.train), ("test/good", of.good)):
        for i in range(count):
            yield folder, i, bolt(of.side, rng)
    for defect in DEFECTS:
        for i in range(of.each):
            yield f"test/{defect}", i, bolt(of.side, rng, defect)


def bolt(side: int, rng: np.random.Generator, defect: str | None = None) -> np.ndarray:
    """One photograph (side, side, 3)."""
    u, v = _part_coordinates(side, rng)
    height = 0.085 + 0.006 * _thread(u, v)
    if defect in ("nick", "flat", "burr"):
        at, edge = rng.uniform(0.02, 0.34), rng.choice([-1.0, 1.0])
        near = np.exp(-(((u - at) / 0.008) ** 2)) * (np.sign(v) == edge)
        height = height + near * {"nick": -0.011, "burr": 0.009, "flat": 0.0}[defect]
        height = np.where((near > 0.1) & (defect == "flat"), np.minimum(height, 0.083), height)
    shaft = (np.abs(v) < height) & (u > -0.12) & (u < 0.38)
    head = (np.abs(v) < 0.17) & (u > -0.3) & (u <= -0.12)
    light = np.where(shaft, 0.45 + 0.35 * np.sqrt(np.clip(1 - (v / 0.1) ** 2, 0, 1)), 0.1)
    light = light + np.where(shaft & (u > -0.02), 0.13 * _thread(u, v), 0.0)
    light = np.where(head, 0.55 + 0.1 * np.cos(v * 40), light)
    if defect in ("scratch", "stain"):
        light = light + _mark(defect, u, v, rng)
    streaks = np.interp(
        u, np.linspace(-0.5, 0.5, 160), rng.normal(0, 0.003, 160)
    )  # of machining, no two alike
    light = light + np.where(shaft | head, streaks, 0.0)
    light = light * (1 + rng.uniform(-LIGHT, LIGHT)) + rng.normal(0, 0.012, light.shape)
    colours = light[..., None] * np.array([1.0, 0.98, 0.94])
    return (colours * 255).clip(0, 255).astype(np.uint8)


def _part_coordinates(side: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Along and across the part, in shares of the side, of every pixel."""
    y, x = (np.mgrid[:side, :side] + 0.5) / side - 0.5
    y, x = y - rng.uniform(-SHIFT, SHIFT), x - rng.uniform(-SHIFT, SHIFT)
    angle = np.deg2rad(rng.uniform(-TURN, TURN))
    return x * np.cos(angle) + y * np.sin(angle), y * np.cos(angle) - x * np.sin(angle)


def _thread(u: np.ndarray, v: np.ndarray) -> np.ndarray:
    """From -1 to 1, slanted as a screw's turns are."""
    return np.asarray(np.where(u > -0.02, np.sin(2 * np.pi * (u + 0.08 * v) / PITCH), 0.0))


def _mark(defect: str, u: np.ndarray, v: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A light scratch or a dark stain on the shaft."""
    a, b = u - rng.uniform(-0.08, 0.34), v - rng.uniform(-0.05, 0.05)
    angle = rng.uniform(0, np.pi)
    along, across = a * np.cos(angle) + b * np.sin(angle), b * np.cos(angle) - a * np.sin(angle)
    if defect == "stain":
        return np.asarray(-0.25 * np.exp(-((along / 0.007) ** 2) - (across / 0.006) ** 2))
    return np.asarray(0.3 * ((np.abs(along) < 0.014) & (np.abs(across) < 0.0014)))
