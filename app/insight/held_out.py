"""A nominal image's map by a version as it would be without the part that the image shows: why its score is high.

The version itself knows the image, so its own map of it would be all but empty. Vectors of that part are left out of
the search; the places they leave show a little more than a bank built without the part would.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from app.errors import PictureUnavailable
from app.imaging.pictures import Kind, Picture
from app.inspection.engine import Engine, Inspection, Prepared, split_name
from app.inspection.inspect import render
from app.inspection.inspecting import Inspecting
from app.inspection.lanes import Lane
from app.inspection.registry import Key
from app.inspection.taking import prepared
from app.store.errors import BlobMissing, NotFound
from app.store.schema import Version
from core.bank import Bank, Provenance
from core.config import IndexConfig
from core.search import Index


async def drawn(inspecting: Inspecting, bank: str, number: int, sha256: str, kind: Kind) -> Picture:
    """Raises NotFound, PictureUnavailable, VersionUnusable, ImageRefused."""
    version = await inspecting.pools.background(lambda: inspecting.store.versions.get(bank, number))
    body = await inspecting.pools.background(lambda: _image(inspecting, bank, sha256))
    picture, _ = await drawn_by(
        inspecting, version, body, kind, lambda engine, image: inspect_held_out(engine, image, sha256)
    )
    return picture


async def drawn_by(
    inspecting: Inspecting,
    version: Version,
    body: bytes,
    kind: Kind,
    look: Callable[[Engine, Prepared], Inspection],
) -> tuple[Picture, float]:
    """An image's map as ``look`` sees it by a version, and the map threshold; in the background, between inspections.

    Raises VersionUnusable, ImageRefused, Overloaded, and what ``look`` does.
    """
    loaded = await inspecting.registry.aside(Key.of(version))
    with inspecting.memory.hold(Lane(version.bank).background()) as share:
        share.grow(len(body))
        image = await prepared(inspecting, loaded, body, share)
        found = await inspecting.batcher.call(lambda: look(loaded.engine, image), share.lane)
        return await render(inspecting, kind, found, body, share), found.map_threshold


def inspect_held_out(engine: Engine, image: Prepared, sha256: str) -> Inspection:
    """Raises PictureUnavailable for an image that the version did not learn, or that shows all it knows."""
    bank = engine.bank
    learnt = [split_name(name)[0] for name in bank.provenance.images]
    if sha256 not in learnt:
        raise _unavailable("an image that this version has not learnt")
    held_out = Engine(engine.backbone, _without(bank, learnt.index(sha256)))
    return held_out.inspect([image])[0]


def _without(bank: Bank, image: int) -> Bank:
    """The bank without the vectors of the part that an image shows."""
    origin = bank.provenance
    parts = np.arange(len(origin.images)) if bank.groups is None else bank.groups
    kept = parts[origin.image] != parts[image]
    if not kept.any():
        raise _unavailable("an image of the only part that this version knows")
    return replace(
        bank,
        config=replace(bank.config, index=IndexConfig()),
        index=Index.build(bank.vectors[kept]),
        provenance=Provenance(origin.images, origin.image[kept], origin.row[kept], origin.column[kept]),
    )


def _image(inspecting: Inspecting, bank: str, sha256: str) -> bytes:
    try:
        return inspecting.store.blobs.read(inspecting.store.images.get(bank, sha256).sha256)
    except (NotFound, BlobMissing):
        raise _unavailable("an image that was removed from the nominal set") from None


def _unavailable(received: str) -> PictureUnavailable:
    return PictureUnavailable(
        "the map of a nominal image needs the image and a version that has learnt it",
        received,
        "Open the image from the version that was built with it.",
    )
