"""How a version's nominal images lie against the reference that parts are brought onto, the least fitting first."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from app.inspection.engine import split_name
from app.inspection.inspecting import Inspecting
from app.inspection.registry import Key
from app.store.errors import NotFound
from app.store.schema import Version
from core.bank import Bank, load_bank
from core.registration import POSE, Reference


@dataclass(frozen=True)
class Image:
    """A nominal image. sha256: where the bank was built here; present: still in the nominal set."""

    name: str
    sha256: str | None
    present: bool


@dataclass(frozen=True)
class Fit:
    """How the part in a nominal image lies against the reference; figures as of ``core.registration.Location``, None
    where they were not kept or do not apply."""

    image: Image
    fit: float
    inliers: int | None
    residual: float | None
    rotation: float | None
    shift: tuple[float, float] | None
    scale: float | None


@dataclass(frozen=True)
class LeftOut:
    """A nominal image whose part was not located, and why."""

    image: Image
    reason: str


@dataclass(frozen=True)
class Fits:
    """Of one version. method: what parts are found by. width, height: of the reference. keypoints: of it; 0 by edges.
    level: the least fit of a located part. images: learned ones, ``items`` the worst of them, worst first."""

    bank: str
    version: int
    method: str
    reference: Image
    width: int
    height: int
    keypoints: int
    level: float
    images: int
    items: list[Fit]
    left_out: list[LeftOut]


def of_version(inspecting: Inspecting, bank: str, number: int, limit: int) -> Fits:
    """Raises NotFound, also for a version without registration, BlobMissing, BlobCorrupt, BankError."""
    version = inspecting.store.versions.get(bank, number)
    content = _content(inspecting, version) if "registration" in version.summary.get("config", {}) else None
    if content is None or content.reference is None:
        raise NotFound(
            "the version must have been built with registration",
            f"version {number} of {bank}, which was built without",
            "Build one with registration, and ask for that.",
        )
    reference = content.reference
    worst = np.argsort(reference.fits, kind="stable")[:limit].tolist()
    names = content.provenance.images
    aside = version.summary.get("left_out", [])
    known = _images(
        inspecting, bank, [reference.name, *(names[i] for i in worst), *(each["image"] for each in aside)]
    )
    height, width = reference.size
    return Fits(
        bank=bank,
        version=number,
        method=reference.method,
        reference=known[0],
        width=width,
        height=height,
        keypoints=len(reference.keypoints.points),
        level=reference.level,
        images=len(names),
        items=[_fit(image, content, reference, i) for image, i in zip(known[1:], worst, strict=False)],
        left_out=[
            LeftOut(image, each["reason"]) for image, each in zip(known[1 + len(worst) :], aside, strict=True)
        ],
    )


def _content(inspecting: Inspecting, version: Version) -> Bank:
    loaded = inspecting.registry.peek(Key.of(version))
    if loaded is not None:
        return loaded.engine.bank
    with inspecting.store.blobs.as_file(version.sha256) as path:
        return load_bank(path)


def _images(inspecting: Inspecting, bank: str, names: Sequence[str]) -> list[Image]:
    split = [split_name(name) for name in names]
    present = inspecting.store.images.present(bank, [sha256 for sha256, _ in split if sha256])
    return [Image(name, sha256, sha256 in present) for sha256, name in split]


def _fit(image: Image, content: Bank, reference: Reference, i: int) -> Fit:
    pose = [math.nan] * len(POSE) if content.poses is None else content.poses[i].tolist()
    found = {name: None if math.isnan(value) else value for name, value in zip(POSE, pose, strict=True)}
    x, y, inliers = found["x"], found["y"], found["inliers"]
    return Fit(
        image=image,
        fit=float(reference.fits[i]),
        inliers=None if inliers is None else int(inliers),
        residual=found["residual"],
        rotation=found["rotation"],
        shift=None if x is None or y is None else (x, y),
        scale=found["scale"],
    )
