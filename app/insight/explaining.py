"""Explanations of past inspections, by the version that made them: in the background, never where images are inspected.

They are made by torch in float32 whatever the version is served in; the answer says so.
"""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any

from app.errors import PictureUnavailable
from app.imaging.decode import check_header, decode_image
from app.imaging.pictures import FADING, PICTURE_BYTES, encode_png, overlay
from app.inspection import inspections
from app.inspection.gate import Pass
from app.inspection.inspecting import Inspecting
from app.inspection.lanes import Lane
from app.inspection.registry import Key, Loaded
from app.inspection.taking import decoded_bytes, photographed
from app.store.errors import NotFound
from app.store.schema import Inspection
from core.explain import DEFAULT, METHODS, Explanation, explain, method_named
from core.explain.explanation import MEANING
from core.input.photograph import Image

PRECISION = "float32"
POINTS = 21  # of a curve, from none of the cells to all
SIGNAL_BYTES = 1024  # of a pixel of the input, for the signals of all layers on their way there and back
_MIDDLE = 0.5  # of a map from 0 to 1, where a picture's colours are half-way


@dataclass(frozen=True, eq=False)
class Explained:
    """An inspection's explanation, and its map over the photograph as a PNG, where it was asked for."""

    row: Inspection
    found: Explanation
    milliseconds: float
    picture: bytes

    def document(self) -> dict[str, Any]:
        """As JSON has it."""
        made_in = str(self.row.digests.get("precision", PRECISION))
        about = {"inspection": self.row.id, "bank": self.row.bank, "version": self.row.version}
        return about | document(self.found, made_in) | {"milliseconds": round(self.milliseconds, 3)}


def document(found: Explanation, made_in: str) -> dict[str, Any]:
    """An explanation without its map. made_in: the precision of the inspection, or of the bank's build."""
    faithful, shares = found.faithfulness, found.shares
    return {
        "method": found.method,
        "says": found.says,
        "meaning": MEANING,
        "decides": found.method == DEFAULT,
        "distance": found.score,
        "at_x": found.at[1],
        "at_y": found.at[0],
        "precision": PRECISION,
        "note": note_of(made_in),
        "faithfulness": {
            "deletion": faithful.deletion.area,
            "insertion": faithful.insertion.area,
            "patch_map_deletion": faithful.best[0],
            "patch_map_insertion": faithful.best[1],
            "random": faithful.random,
            "deletion_curve": faithful.deletion.at(POINTS),
            "insertion_curve": faithful.insertion.at(POINTS),
        },
        "layers": shares.layers,
        "place": shares.place,
        "channels": [asdict(channel) for channel in shares.channels],
        "half": shares.half,
    }


def note_of(made_in: str) -> str | None:
    """What to say where the explained numbers are not of the precision that decides; None where they are."""
    if made_in == PRECISION:
        return None
    return f"Explained in {PRECISION}; decided in {made_in}, in which the distance may differ a little."


def over(image: Image, found: Explanation) -> bytes:
    """The map over its photograph, a PNG: nothing where it is 0, most colour where it is highest."""
    return encode_png(overlay(image, found.heatmap, _MIDDLE, opacities=FADING))


def method_names() -> dict[str, str]:
    """Each method with the line on what it shows."""
    return {name: method.says for name, method in METHODS.items()}


async def explain_inspection(inspecting: Inspecting, id: str, method: str = DEFAULT) -> Explained:
    """Explain a past inspection whose image was kept.

    Raises NotFound, PictureUnavailable, VersionUnusable, ConfigError for an unknown method, RegistrationError for a
    part that is not located, QueueFull while others wait, MemoryFull, ImageRefused, WeightsRefused.
    """
    method_named(method)
    background = inspecting.pools.background
    row = await background(lambda: inspecting.store.inspections.get(id))
    body = await background(lambda: inspections.read_image(inspecting, row))
    loaded = await _loaded(inspecting, row)
    with inspecting.memory.hold(Lane(row.bank).background()) as share:
        share.grow(len(body))
        made = partial(_explained, inspecting, row, loaded, body, method, share)
        return await inspecting.explainers.in_turn(lambda: background(made))


def _explained(
    inspecting: Inspecting, row: Inspection, loaded: Loaded, body: bytes, method: str, share: Pass
) -> Explained:
    """On a background thread, in its turn."""
    started = time.perf_counter()
    engine, limits = loaded.engine, inspecting.image_limits
    header = check_header(body, limits)
    pixels = header.width * header.height
    with share.holding(decoded_bytes(header, loaded) + PICTURE_BYTES * pixels):
        photograph = photographed(inspecting, loaded, body, header)
        view = engine.view(photograph)
        frame = view.placement.frame
        with share.holding(SIGNAL_BYTES * frame.rows.input * frame.columns.input):
            network = inspecting.explainers.network(engine.backbone)
            found = explain(view, engine.bank, network, method, engine.backbone.spec.offset)
        milliseconds = (time.perf_counter() - started) * 1e3
        whole = photograph.pixels if photograph.reduced == 1 else decode_image(body, limits)
        return Explained(row, found, milliseconds, over(whole, found))


async def _loaded(inspecting: Inspecting, row: Inspection) -> Loaded:
    try:
        return await inspecting.registry.get(Key.that_made(row))
    except NotFound:
        raise PictureUnavailable(
            "an explanation needs the version that decided",
            f"version {row.version} of {row.bank}, which is gone",
            "Inspect the part again.",
        ) from None
