"""Where an inspection is least like the nominal set, and the nominal patch nearest to that place, as small pictures."""

from __future__ import annotations

import numpy as np
from jaxtyping import UInt8
from PIL import Image, ImageDraw

from app.errors import PictureUnavailable
from app.imaging.pictures import encode_jpeg
from app.inspection.inspecting import Inspecting
from app.inspection.registry import Key, Loaded
from app.inspection.viewing import viewed
from app.store.errors import BlobMissing, NotFound
from app.store.schema import Inspection
from core.input.preprocess import Frame, frame

SPAN = 80  # input pixels that a picture shows each way
MARKED = 12  # input pixels from the middle of a patch to its marker: what its vector saw
PICTURE = 320  # pixels of a picture's side
COLOUR = (0, 255, 255)  # of a marker, as of the boxes of an overlay

Pixels = UInt8[np.ndarray, "h w 3"]


async def worst(inspecting: Inspecting, row: Inspection, body: bytes) -> bytes:
    """The place of the inspected image that is least like a good part; a JPEG.

    Raises PictureUnavailable, VersionUnusable, ImageRefused.
    """
    loaded, nearest = await _loaded(inspecting, row), _nearest(row)

    config = loaded.engine.bank.config.input

    def made(image: Pixels) -> bytes:
        return cut(image, frame(config, *image.shape[:2]), nearest["at_y"], nearest["at_x"])

    return await viewed(inspecting, row.bank, body, made, config.significant_bits)


async def nominal(inspecting: Inspecting, row: Inspection) -> bytes:
    """The patch of a good part that comes nearest to it; a JPEG. Raises PictureUnavailable, VersionUnusable."""
    loaded, nearest = await _loaded(inspecting, row), _nearest(row)
    body = await inspecting.pools.background(lambda: _nominal_image(inspecting, row.bank, nearest["sha256"]))
    engine = loaded.engine

    def made(image: Pixels) -> bytes:
        geometry, seen = frame(engine.bank.config.input, *image.shape[:2]), engine.view(image)
        return cut(image, geometry, *engine.place((nearest["row"], nearest["column"]), seen.placement))

    return await viewed(inspecting, row.bank, body, made, engine.bank.config.input.significant_bits)


def cut(image: Pixels, geometry: Frame, y: int, x: int) -> bytes:
    """A square of the image around (y, x), held inside it, enlarged to ``PICTURE`` pixels, the place marked; a JPEG."""
    scale = min(geometry.rows.scale, geometry.columns.scale)
    side = min(max(16, round(SPAN / scale)), *image.shape[:2])
    top, left = (
        min(max(at - side // 2, 0), length - side) for at, length in zip((y, x), image.shape[:2], strict=True)
    )
    square = Image.fromarray(image[top : top + side, left : left + side])
    drawn = square.resize((PICTURE, PICTURE), Image.Resampling.BICUBIC)
    zoom, reach = PICTURE / side, MARKED / scale
    box = [
        min(max((at - start + way * reach) * zoom, 1), PICTURE - 2)
        for way in (-1, 1)
        for at, start in ((x, left), (y, top))
    ]
    ImageDraw.Draw(drawn).rectangle(box, outline=COLOUR, width=2)
    return encode_jpeg(np.array(drawn))


async def _loaded(inspecting: Inspecting, row: Inspection) -> Loaded:
    try:
        return await inspecting.registry.get(Key.that_made(row))
    except NotFound:
        raise _unavailable(
            f"version {row.version} of {row.bank}, which is gone", "Inspect the part again."
        ) from None


def _nearest(row: Inspection) -> dict[str, int]:
    if row.nearest is None:
        raise _unavailable("an inspection that names none", "Inspect the part again.")
    return row.nearest


def _nominal_image(inspecting: Inspecting, bank: str, sha256: object) -> bytes:
    if not isinstance(sha256, str):
        raise _unavailable(
            "a version that was built elsewhere and came without its images",
            "Build the bank here to see them.",
        )
    try:
        return inspecting.store.blobs.read(inspecting.store.images.get(bank, sha256).sha256)
    except (NotFound, BlobMissing):
        raise _unavailable(
            "an image that was removed from the nominal set",
            "Nothing to do: the version goes on without it until the next build.",
        ) from None


def _unavailable(received: str, remedy: str) -> PictureUnavailable:
    return PictureUnavailable(
        "the nearest good part is shown from its image and the version", received, remedy
    )
