"""The viewer: a picture that is switched, faded, zoomed and read with the pointer; static/viewer.js does it.

It works by classes and attributes, so that a lost connection takes nothing away.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from nicegui import ui

from app.console.widgets.blocks import block, styled, text
from app.console.widgets.words import ANSWER as TEXT
from app.imaging.pictures import COLOURS

KEYS = {"photo": "1", "overlay": "2", "map": "3", "both": "4"}
ZOOMS = (("out", "zoom_out"), ("fit", "fit_screen"), ("in", "zoom_in"))
BOXES = 20  # drawn at most; the smaller ones are in the map all the same
STEPS = range(0, 256, 15)


@dataclass(frozen=True)
class Shown:
    """An image of width x height pixels by the addresses of its pictures; ``maps`` ends before layer, map, values.
    outline: corners (x, y) of where the part was located, pixels."""

    width: int
    height: int
    photo: str
    whole: str | None = None
    maps: str | None = None
    regions: Sequence[dict[str, Any]] = field(default=())
    outline: Sequence[Sequence[float]] = field(default=())


def picture(shown: Shown) -> None:
    """The viewer by itself; without maps it only zooms."""
    plain = "" if shown.maps else "n-plain"
    with block(f"n-viewer {plain}", role="group", aria_label=TEXT.picture) as made:
        made.props["data-width"], made.props["data-height"] = shown.width, shown.height
        if shown.maps:
            made.props["data-values"] = f"{shown.maps}values"
        _bar(shown)
        with block("n-frames"):
            _frame(shown)
            if shown.maps:
                _beside(shown)
        place = block("n-readout n-caption", "div")
        place.props["data-place"], place.props["data-value"] = TEXT.place, TEXT.value
        if shown.maps:
            _scale()


def _bar(shown: Shown) -> None:
    with block("n-viewer-bar"):
        if shown.maps:
            _modes()
        if shown.outline:
            _switch("n-outlines", TEXT.outline)
        with block("n-segments", role="group", aria_label=TEXT.zoom):
            for name, icon in ZOOMS:
                with block("n-segment n-segment-icon", "button", type="button", data_zoom=name) as button:
                    ui.icon(icon).props('aria-hidden="true"')
                button.props["title"] = button.props["aria-label"] = TEXT.zooms[name]
        block("n-zoom-level n-caption", "output")  # viewer.js writes it
        with block("n-segment n-segment-icon n-enlarge", "button", type="button", data_enlarge="") as button:
            ui.icon("fullscreen").props('aria-hidden="true"')
        button.props["title"] = button.props["aria-label"] = TEXT.enlarge
        button.props["aria-pressed"] = "false"


def _modes() -> None:
    with block("n-segments", role="group", aria_label=TEXT.picture):
        for mode, name in TEXT.modes.items():
            hint = TEXT.mode_hint.format(name=name, key=KEYS[mode])
            with block("n-segment", "button", type="button", title=hint) as button:
                ui.label(name)
            button.props["data-mode"] = mode
    with block("n-opacity", "label", title=TEXT.opacity):
        ui.icon("opacity").props('aria-hidden="true"')
        block("n-range", "input", type="range", min=0, max=100, aria_label=TEXT.opacity)
    _switch("n-boxes", TEXT.boxes)


def _switch(name: str, words: str) -> None:
    with block("n-check", "label"):
        block(name, "input", type="checkbox")
        ui.label(words)


def _frame(shown: Shown) -> None:
    """Everything in per cent of the image, so that it fits at any size and zoom."""
    with _window(shown, "n-frame"):
        with block("n-canvas"):
            _photo(shown)
            if shown.maps:
                block("n-layer", "img", src=f"{shown.maps}layer", alt="", decoding="async")
                block(
                    "n-map", "img", src=f"{shown.maps}map", alt=TEXT.map_alt, loading="lazy", decoding="async"
                )
            for number, region in enumerate(shown.regions[:BOXES], 1):
                _box(shown, region, number)
            if shown.outline:
                _outline(shown)
        block("n-picture-fault", "p", role="alert")


def _beside(shown: Shown) -> None:
    """The original beside it, in the mode that shows both."""
    with _window(shown, "n-frame n-beside"), block("n-canvas"):
        _photo(shown, "n-photo-beside")


def _window(shown: Shown, classes: str) -> ui.element:
    window = block(classes, role="group", aria_label=TEXT.frame, tabindex=0)
    return styled(window, w=shown.width, h=shown.height)


def _photo(shown: Shown, classes: str = "n-photo") -> None:
    photo = block(classes, "img", src=shown.photo, alt=TEXT.photo_alt, decoding="async", draggable="false")
    if shown.whole is not None:
        photo.props["data-full"] = shown.whole


def _box(shown: Shown, region: dict[str, float], number: int) -> None:
    box = block("n-region", data_region=number)
    styled(
        box,
        x=f"{100 * region['x'] / shown.width:.3f}%",
        y=f"{100 * region['y'] / shown.height:.3f}%",
        rw=f"{100 * region['width'] / shown.width:.3f}%",
        rh=f"{100 * region['height'] / shown.height:.3f}%",
    )
    with box:
        text(str(number), "n-region-number")


def _outline(shown: Shown) -> None:
    """Where the reference's picture is in this one; what is outside of this one is cut."""
    points = " ".join(f"{x:.1f},{y:.1f}" for x, y in shown.outline)
    size = f'viewBox="0 0 {shown.width} {shown.height}" preserveAspectRatio="none"'
    drawing = f'<svg {size} aria-hidden="true"><polygon points="{points}"/></svg>'
    ui.html(drawing, sanitize=False).classes("n-outline")


def _scale() -> None:
    """What the colours mean: the same score in every picture; over a photograph those below the middle are clear."""
    colours = ", ".join("#{:02x}{:02x}{:02x}".format(*COLOURS[step]) for step in STEPS)
    with block("n-scale"):
        ui.label(TEXT.scale_low)
        with block("n-scale-bar"):
            block("n-scale-colours").style(f"background: linear-gradient(90deg, {colours})")
            block("n-scale-middle", title=TEXT.scale_middle)
        ui.label(TEXT.scale_high)
        ui.label(TEXT.scale_middle).classes("n-scale-name")
