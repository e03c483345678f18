"""Inspect: drop, choose or paste images; the answer beside the picture."""

from __future__ import annotations

from typing import Any

from nicegui import ui

from app.console.pages.inspect.strip import Strip
from app.console.pages.inspect.words import INSPECT as TEXT
from app.console.view import View, page
from app.console.widgets.answer import answer
from app.console.widgets.blocks import block, empty_state, page_header
from app.console.widgets.controls import secondary, untaught
from app.console.words import size
from app.errors import ImageRefused
from app.store.errors import NotFound
from app.store.schema import Inspection

ACCEPTED = "image/png,image/jpeg,image/bmp,image/tiff,image/webp,.jfif,.jpe,.tif,.tiff,.bmp"
RESTORED = 24  # inspections that the address names


@page("/banks/{bank}/inspect", TEXT.name, icon="center_focus_strong", order=40)
async def show(view: View) -> None:
    """The page."""
    view.use("inspection.css", "viewer.js", "inspect.js")
    with page_header(TEXT.name, TEXT.lead):
        earlier = f"{view.url('inspections')}?bank={view.own_bank.id}"
        secondary(view, TEXT.earlier, lambda: view.go(earlier), icon="history")
    if view.own_bank.active_version is None:
        untaught(view, "school", TEXT.untaught, TEXT.untaught_hint)
        return
    await Desk(view).open()


class Desk:
    """The drop zone, the strip of results, and the answer shown."""

    def __init__(self, view: View) -> None:
        self._view = view
        with block("n-desk"):
            with block("n-desk-side"):
                _zone(view)
                self._strip = Strip(view, self._show)
            self._answer = block("n-shown")
        self._shown: str | None = None
        for event, heard in (
            ("inspect-queued", self._queued),
            ("inspect-answered", self._answered),
            ("inspect-unfinished", self._unfinished),
        ):
            ui.on(event, view.handler(heard, "inspect"))
        ui.on("inspect-nothing", view.handler(lambda: view.complain(TEXT.nothing)))

    async def open(self) -> None:
        """With what the address names, so that loading the page again loses nothing."""
        for id in [each for each in (self._view.query("shown") or "").split(",") if each][-RESTORED:]:
            try:
                row = await self._row(id)
            except NotFound:
                continue
            self._strip.answered(id, row)
            self._shown = id
        if self._shown is None:
            with self._answer:
                empty_state("center_focus_strong", TEXT.none, TEXT.none_hint)
        else:
            self._strip.choose(await self._row(self._shown))
            self._strip.show()

    def _queued(self, event: Any) -> None:
        """Files are on their way: the first answer will be shown."""
        self._shown = None
        for file in event.args:
            self._strip.queued(str(file["key"]), str(file["name"]))
        self._strip.show()

    async def _answered(self, event: Any) -> None:
        told = event.args
        key, name = str(told["key"]), str(told["name"])
        if (id := told.get("id")) is not None:
            row = await self._row(str(id))
            self._strip.answered(key, row)
            if self._shown is None:
                self._shown = row.id
                self._strip.choose(row)
        else:
            self._strip.refused(key, name, self._fault(told), again=bool(told.get("lost")))
        self._strip.show()

    def _unfinished(self, event: Any) -> None:
        for name in event.args:
            self._strip.refused(f"unfinished-{name}", str(name), TEXT.unfinished, again=False)
        self._strip.show()

    def _fault(self, told: dict[str, Any]) -> str:
        """What is said of a file that was not inspected."""
        if told.get("folder"):
            return TEXT.folder
        if "bytes" in told:
            try:
                self._view.service.inspecting.image_limits.check_bytes(int(told["bytes"]))
            except ImageRefused as error:
                return str(error)
        return str(told.get("problem") or TEXT.lost)

    def _show(self, row: Inspection) -> None:
        self._answer.clear()
        with self._answer:
            answer(self._view, row)

    async def _row(self, id: str) -> Inspection:
        return await self._view.run(lambda: self._view.store.inspections.get(id))


def _zone(view: View) -> None:
    """Where files are dropped; its button and field work by keyboard."""
    reason = view.why_not("inspect")
    most = view.service.inspecting.image_limits.max_bytes
    zone = block("n-intake" if reason is None else "n-intake n-off", data_most=most)
    zone.props["data-inspect"] = view.url("v1", "banks", view.own_bank.id, "inspect")
    with zone:
        ui.icon("add_photo_alternate").classes("n-intake-icon").props('aria-hidden="true"')
        with block("n-intake-words"):
            ui.label(TEXT.drop if reason is None else reason).classes("n-intake-title")
            ui.label(TEXT.drop_hint.format(size=size(most))).classes("n-caption")
        if reason is not None:
            zone.props["data-off"] = ""
            return
        ui.input(TEXT.serial).props("outlined dense maxlength=128 autocomplete=off").classes(
            "n-serial"
        ).tooltip(TEXT.serial_hint)
        with block("n-choose", "label"):
            block("n-file", "input", type="file", multiple=True, accept=ACCEPTED, aria_label=TEXT.choose)
            ui.icon("folder_open").props('aria-hidden="true"')
            ui.label(TEXT.choose)
