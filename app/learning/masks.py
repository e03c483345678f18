"""A bank's mask: set, shown, taken away. It is a setting of builds, so it counts from the next one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from app.imaging.decode import DECODED_BYTES, check_header
from app.imaging.outlines import mask_from
from app.imaging.pictures import encode_png
from app.inspection.lanes import Lane
from app.learning import banks
from app.learning.supervisor import Learning
from app.store.errors import NotFound
from app.store.schema import Bank
from core.config import DetectorConfig
from core.input.cells import cells_of
from core.input.mask import check_aspect, inspected_share, mask_of
from core.input.preprocess import frame, patch_grid
from nominal_client.formats import format_of


@dataclass(frozen=True)
class Masked:
    """A bank's mask. width, height: pixels kept of it; patches: of an image, and those inspected."""

    width: int
    height: int
    inspected_share: float
    patches: int
    inspected_patches: int


async def put(
    learning: Learning, id: str, data: bytes, if_match: int | None, actor: str
) -> tuple[Bank, Masked]:
    """Inspect only where a picture is bright, or outlines say so.

    Raises NotFound, StaleRevision, ImageRefused, ConfigError for a mask of one colour, and MaskError for one that
    leaves in no patch or has another aspect ratio than nominal images.
    """
    bank = await learning.pools.background(lambda: learning.store.banks.get(id))
    lane = Lane(id).background()
    text = await learning.inspecting.decoders.run(partial(_mask_from, learning, data, lane), lane)
    config = DetectorConfig.from_json(banks.merged(bank.config, {"input": {"mask": text}}))
    masked = described(learning, config)
    await learning.pools.background(lambda: _check_images(learning, id, text))
    changed = await banks.update(learning, id, {"config": {"input": {"mask": text}}}, if_match, actor)
    return changed, masked


def _mask_from(learning: Learning, data: bytes, lane: Lane) -> str:
    limits, pixels = learning.inspecting.image_limits, 0
    if format_of(data) is not None:
        header = check_header(data, limits)
        pixels = header.width * header.height
    with learning.inspecting.memory.hold(lane) as share:
        share.grow(len(data) + DECODED_BYTES * pixels)
        return mask_from(data, limits)


async def remove(learning: Learning, id: str, if_match: int | None, actor: str) -> Bank:
    """Inspect everything again. Raises NotFound, also where there is no mask, and StaleRevision."""
    await learning.pools.background(lambda: of(learning, id))
    return await banks.update(learning, id, {"config": {"input": {"mask": None}}}, if_match, actor)


def of(learning: Learning, id: str) -> tuple[Bank, DetectorConfig]:
    """A bank that has a mask, with its config. Raises NotFound."""
    bank = learning.store.banks.get(id)
    config = DetectorConfig.from_json(bank.config)
    if config.input.mask is None:
        raise NotFound("the bank must have a mask", f"the bank {id}, which has none", "Set one with PUT.")
    return bank, config


def picture(config: DetectorConfig) -> bytes:
    """The mask as PNG: white where photographs are inspected, black elsewhere."""
    assert config.input.mask is not None
    grey = np.where(mask_of(config.input.mask), np.uint8(255), np.uint8(0))
    return encode_png(np.repeat(grey[..., None], 3, axis=2))


def described(learning: Learning, config: DetectorConfig) -> Masked:
    """What the mask of a config leaves in. Raises MaskError where that is no patch."""
    assert config.input.mask is not None
    mask = mask_of(config.input.mask)
    stride = learning.inspecting.backbones.default.spec.strides[0]
    cells = cells_of(config.input, patch_grid(frame(config.input, *mask.shape), stride, config.patch.stride))
    assert cells is not None
    height, width = mask.shape
    return Masked(width, height, inspected_share(config.input.mask), cells.counted.size, len(cells.rows))


def share(config: Mapping[str, Any]) -> float | None:
    """The share of a photograph's pixels that a config as JSON inspects; None where it has no mask."""
    text = config.get("input", {}).get("mask")
    return None if text is None else inspected_share(text)


def _check_images(learning: Learning, id: str, text: str) -> None:
    for image in learning.store.images.shapes(id):
        check_aspect(text, image.height, image.width, ascii(image.name[:80]), "its nominal images")
