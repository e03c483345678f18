"""Pictures: an inspection's with its regions, switched and faded by the browser; small ones; and nominal images.

static/viewer.js switches by classes and attributes, so that a lost connection takes nothing away.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from nicegui import ui

from app.console.pictures import RECENT, RecentImages
from app.console.view import View
from app.console.widgets.blocks import block, empty_state, styled, text
from app.console.widgets.controls import confirm, icon_button
from app.console.widgets.words import ANSWER as TEXT
from app.console.widgets.words import NOMINAL
from app.imaging.pictures import COLOURS
from app.store.schema import Inspection

KEYS = {"photo": "1", "overlay": "2", "map": "3"}
BOXES = 20  # drawn at most; the smaller ones are in the map all the same
STEPS = range(0, 256, 15)
NOMINAL_SIDE = 192  # pixels of a nominal image's thumbnail


def viewer(view: View, row: Inspection) -> None:
    """The picture, or why there is none and what would keep one."""
    recent: RecentImages = view.connection.scope[RECENT]
    passing = row.image_sha256 is None and recent.get(row.id) is not None
    if row.image_sha256 is None and not passing:
        _no_picture(view)
        return
    with block("n-viewer", role="group", aria_label=TEXT.picture):
        _bar()
        _stage(view, row)
        _scale()
        if passing:
            ui.label(TEXT.passing.format(keep=view.service.settings.image_keep)).classes("n-caption")


def _no_picture(view: View) -> None:
    hint = TEXT.kept_only[view.service.settings.image_keep]
    empty_state("hide_image", TEXT.no_picture, hint).classes("n-no-picture")


def _bar() -> None:
    with block("n-viewer-bar"):
        with block("n-segments", role="group", aria_label=TEXT.picture):
            for mode, name in TEXT.modes.items():
                hint = TEXT.mode_hint.format(name=name, key=KEYS[mode])
                with block("n-segment", "button", type="button", title=hint) as button:
                    ui.label(name)
                button.props["data-mode"] = mode
        with block("n-opacity", "label", title=TEXT.opacity):
            ui.icon("opacity").props('aria-hidden="true"')
            block("n-range", "input", type="range", min=0, max=100, aria_label=TEXT.opacity)
        with block("n-check", "label"):
            block("n-boxes", "input", type="checkbox")
            ui.label(TEXT.boxes)


def _stage(view: View, row: Inspection) -> None:
    """Everything in per cent of the image, so that it fits at any size."""
    at = picture_url(view, row)
    with styled(block("n-frame"), w=row.width, h=row.height):
        block("n-photo", "img", src=f"{at}photo", alt=TEXT.photo_alt, decoding="async")
        block("n-layer", "img", src=f"{at}layer", alt="", decoding="async")
        block("n-map", "img", src=f"{at}map", alt=TEXT.map_alt, loading="lazy", decoding="async")
        for number, region in enumerate(row.regions[:BOXES], 1):
            _box(row, region, number)
        block("n-picture-fault", "p", role="alert")


def _box(row: Inspection, region: dict[str, float], number: int) -> None:
    box = block("n-region", data_region=number)
    styled(
        box,
        x=f"{100 * region['x'] / row.width:.3f}%",
        y=f"{100 * region['y'] / row.height:.3f}%",
        rw=f"{100 * region['width'] / row.width:.3f}%",
        rh=f"{100 * region['height'] / row.height:.3f}%",
    )
    with box:
        text(str(number), "n-region-number")


def _scale() -> None:
    """What the colours mean: the same score in every picture."""
    colours = ", ".join("#{:02x}{:02x}{:02x}".format(*COLOURS[step]) for step in STEPS)
    with block("n-scale"):
        ui.label(TEXT.scale_low)
        with block("n-scale-bar").style(f"background: linear-gradient(90deg, {colours})"):
            block("n-scale-middle", title=TEXT.scale_middle)
        ui.label(TEXT.scale_high)
        ui.label(TEXT.scale_middle).classes("n-scale-name")


def picture_url(view: View, row: Inspection) -> str:
    """Where its pictures are; a kind follows: photo, layer, map, worst or nearest."""
    return view.url("media", "inspections", row.id) + "/"


def thumbnail(view: View, row: Inspection | None, side: int = 192) -> None:
    """The kept image, small; or that there is none."""
    if row is None or row.image_sha256 is None:
        with block("n-thumb n-thumb-none"):
            ui.icon("hide_image").props('aria-hidden="true"')
            ui.label(TEXT.no_image).classes("n-caption")
        return
    block("n-thumb", "img", src=f"{picture_url(view, row)}photo?side={side}", alt="", loading="lazy")


def nominal_tile(
    view: View, bank: str, name: str, sha256: str | None, removed: Callable[[], Awaitable[None]]
) -> ui.element:
    """A nominal image with its name and a cross that removes it; without a digest, that it is gone."""
    with block("n-tile", "figure") as tile:
        if sha256 is None:
            with block("n-thumbnail n-thumbnail-gone"):
                ui.icon("hide_image")
        else:
            path = view.url("v1", "banks", bank, "images", sha256)
            with block("", "a", href=path, target="_blank"):
                small = f"{path}/thumbnail?side={NOMINAL_SIDE}"
                block("n-thumbnail", "img", src=small, alt=name, loading="lazy", decoding="async")
        with ui.element("figcaption"):
            ui.label(name).classes("n-tile-name").props["title"] = name
            if sha256 is not None:
                button = icon_button(view, "close", NOMINAL.remove, lambda: ask(sha256), role="admin")
                button.props["aria-label"] = NOMINAL.remove_named.format(name=name)

    def ask(sha256: str) -> None:
        async def remove() -> None:
            await view.run(lambda: view.store.images.remove(bank, sha256, actor=view.actor.id))
            tile.delete()
            await removed()

        confirm(view, NOMINAL.remove_title, NOMINAL.remove_text.format(name=name), NOMINAL.remove, remove)

    return tile
