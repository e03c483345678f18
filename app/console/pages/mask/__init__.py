"""Where a bank's photographs are inspected: a mask drawn over one of its nominal images; mask.js draws it.

The drawing is the browser's until it is saved; then it goes to the API's own route, with the revision of the bank.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

from nicegui import ui

from app.console.pages.mask.words import DRAWING
from app.console.pages.mask.words import WHERE as TEXT
from app.console.pictures import SIDE
from app.console.view import View, page
from app.console.widgets.blocks import block, page_header, section, styled
from app.console.widgets.controls import (
    confirm,
    enable,
    icon_button,
    primary,
    secondary,
    untaught,
)
from app.learning import masks
from app.store.errors import NotFound
from app.store.schema import Image

ICONS = {
    "rectangle": "crop_square", "circle": "radio_button_unchecked", "polygon": "polyline", "brush": "brush",
    "eraser": "auto_fix_normal", "undo": "undo", "redo": "redo", "clear": "select_all",
    "ignore": "visibility_off", "inspect": "visibility",
}  # fmt: skip
BRUSH = {"min": 1, "max": 20, "value": 5}  # per cent of the photograph's long side


@page("/banks/{bank}/mask", TEXT.name)
async def show(view: View) -> None:
    """Tools above the photograph; what the mask leaves in, and saving, beside it."""
    view.use("inspection.css", "mask.css", "shapes.js", "mask.js")
    bank = view.own_bank
    teach = view.url("banks", bank.id, "teach")
    with page_header(TEXT.name, TEXT.lead.format(bank=bank.title)):
        secondary(view, TEXT.back, lambda: view.go(teach), icon="arrow_back")
    images = (await view.run(lambda: view.store.images.page(bank.id, limit=1))).items
    if not images:
        untaught(view, "hide_image", TEXT.none, TEXT.none_hint)
        return
    with block("n-mask") as editor:
        for name, value in (await view.run(lambda: _given(view, images[0]))).items():
            editor.props[f"data-{name}"] = value
        with section():
            photographs = Photographs(view, images[0])
        with section().classes("n-mask-side"):
            _outcome(view)
    await photographs.count()


def _given(view: View, image: Image) -> dict[str, Any]:
    """What the script starts from: addresses, the photograph's size, the bank's revision and the mask it has."""
    bank = view.own_bank
    words = vars(DRAWING) | {"hints": dict(DRAWING.hints)}
    given: dict[str, Any] = {"url": view.url("v1", "banks", bank.id, "mask"), "words": json.dumps(words)}
    given |= {"width": image.width, "height": image.height, "revision": bank.revision}
    try:
        row, config = masks.of(view.service.learning, bank.id)
    except NotFound:
        return given
    mask = asdict(masks.described(view.service.learning, config))
    return given | {"revision": row.revision, "mask": json.dumps(mask)}


def _tools() -> None:
    with block("n-segments", role="group", aria_label=TEXT.kind):
        for kind, name in TEXT.kinds.items():
            _tool(name, name, ICONS[kind], data_kind=kind)
    with block("n-segments", role="group", aria_label=TEXT.tools):
        for tool, name in TEXT.names.items():
            _tool(name, name, ICONS[tool], data_tool=tool)
    with block("n-segments", role="group", aria_label=TEXT.changes):
        for act, name in TEXT.acts.items():
            _tool("", name, ICONS[act], data_do=act)
    with block("n-opacity n-mask-size", "label"):
        ui.label(TEXT.size)
        block("n-range", "input", type="range", aria_label=TEXT.size, **BRUSH)


def _tool(name: str, title: str, icon: str, **what: str) -> None:
    classes = "n-segment n-mask-tool" if name else "n-segment n-segment-icon"
    with block(classes, "button", type="button", title=title, **what) as button:
        ui.icon(icon).props('aria-hidden="true"')
        if name:
            ui.label(name)
        else:
            button.props["aria-label"] = title


class Photographs:
    """The photograph under the mask, and the way to others: they are looked up one by one."""

    def __init__(self, view: View, first: Image) -> None:
        self._view, self._seen, self._at, self._count = view, [first], 0, 1
        with block("n-viewer-bar"):
            if view.may("admin"):
                _tools()
            with block("n-row n-mask-choice"):
                self._back = icon_button(view, "chevron_left", TEXT.previous, lambda: self._step(-1))
                self._next = icon_button(view, "chevron_right", TEXT.next, lambda: self._step(1))
                self._name = ui.label().classes("n-caption").props('role="status"')
        block("n-mask-hint n-caption", "p", id="mask-hint")
        with block("n-frames"), block("n-frame n-mask-frame") as frame:
            styled(frame, w=first.width, h=first.height)
            self._photo = block("n-photo", "img", decoding="async", draggable="false")
            block("n-mask-layer", "canvas", aria_hidden="true")
            block("n-mask-layer n-mask-guide", "canvas", aria_hidden="true")
        frame.props["aria-label"], frame.props["aria-describedby"] = TEXT.editor, "mask-hint mask-state"
        frame.props["role"] = "application" if view.may("admin") else "group"
        frame.props["tabindex"] = 0
        self._show()

    async def count(self) -> None:
        """How many there are."""
        view = self._view
        self._count, _ = await view.run(lambda: view.store.images.totals(view.own_bank.id))
        self._show()

    async def _step(self, by: int) -> None:
        view, at = self._view, self._at + by
        if at == len(self._seen):
            last = self._seen[-1].sha256
            found = await view.run(lambda: view.store.images.page(view.own_bank.id, after=last, limit=1))
            self._seen += found.items
        self._at = min(max(at, 0), len(self._seen) - 1)
        self._show()

    def _show(self) -> None:
        image, view = self._seen[self._at], self._view
        self._photo.props["src"] = (
            f"{view.url('media', 'banks', view.own_bank.id, 'nominal', image.sha256)}?side={SIDE}"
        )
        self._photo.props["alt"] = TEXT.photo.format(name=image.name)
        self._name.set_text(TEXT.place.format(n=self._at + 1, count=f"{self._count:,}", name=image.name))
        enable(self._back, self._at > 0)
        enable(self._next, self._at + 1 < self._count)


def _outcome(view: View) -> None:
    """What is left in, the state, and the buttons; the script fills in the rest."""
    with block("n-figures"):
        for name, written in ((TEXT.inspected, "share"), (TEXT.patches, "patches")):
            with block("n-figure"):
                ui.label(name).classes("n-figure-name")
                block(f"n-figure-value n-mask-{written}")
    block("n-mask-state", "p", role="status", id="mask-state")
    with block("n-mask-fault", role="alert"):
        block("n-mask-why", "p")
    with block("n-mask-anyway"):
        secondary(view, TEXT.anyway, _script(view, "anyway"), role="admin")
    with block("n-row"):
        primary(view, TEXT.save, _script(view, "save"), icon="save", role="admin")
        with block("n-mask-remove"):
            secondary(view, TEXT.remove, lambda: _ask_removal(view), icon="delete", role="admin")
    ui.label(TEXT.legend).classes("n-caption")
    if view.may("admin"):
        ui.label(TEXT.by_keys).classes("n-caption n-mask-keys")


def _script(view: View, act: str) -> Callable[[], None]:
    def run() -> None:
        view.client.run_javascript(f"window.nominal.mask.{act}()")

    return run


def _ask_removal(view: View) -> None:
    confirm(view, TEXT.remove_title, TEXT.remove_text, TEXT.remove, _script(view, "remove"))
