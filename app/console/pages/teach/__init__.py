"""Teach a bank: its nominal images in, and a build of them."""

from __future__ import annotations

from nicegui import ui

from app.console.pages.teach.build import BuildPanel
from app.console.pages.teach.screening import ScreeningPanel
from app.console.pages.teach.words import TEACH as TEXT
from app.console.view import View, page
from app.console.widgets.blocks import block, empty_state, page_header, section
from app.console.widgets.controls import more, secondary
from app.console.widgets.uploader import Uploader
from app.console.widgets.viewer import nominal_tile
from app.console.words import percent, size
from app.learning import masks
from app.store.page import Page
from app.store.schema import Image

SHOWN = 60  # images of the set at a time


@page("/banks/{bank}/teach", TEXT.name, icon="school", order=20)
async def show(view: View) -> None:
    """Upload and build side by side, a look over the set and the set itself below them."""
    view.use("inspection.css", "viewer.js")
    assert view.bank is not None
    bank = view.bank.id
    page_header(TEXT.name, TEXT.lead.format(bank=view.bank.title))
    with block("n-columns n-after"):
        with section(TEXT.add):
            uploader = Uploader(view, view.url("v1", "banks", bank, "images"))
        panel = BuildPanel(view, bank)

    async def refresh() -> None:
        await grid.refresh()
        await panel.refresh()

    _where(view)
    screening = ScreeningPanel(view, bank, refresh)
    grid = NominalGrid(view, bank)

    for event in ("taken", "done"):
        uploader.on(event, view.handler(refresh), throttle=2.0)
    await refresh()
    await screening.refresh()


def _where(view: View) -> None:
    """What of a photograph the next build looks at, and the way to draw it."""
    bank = view.own_bank
    share = masks.share(bank.config)
    said = TEXT.where_all if share is None else TEXT.where_some.format(share=percent(share))
    with section(TEXT.where, TEXT.where_hint), block("n-row"):
        target = view.url("banks", bank.id, "mask")
        secondary(view, TEXT.where_draw, lambda: view.go(target), icon="format_shapes")
        ui.label(said)


class NominalGrid:
    """The nominal set as thumbnails, a page at a time; ``refresh`` after it has changed."""

    def __init__(self, view: View, bank: str) -> None:
        self._view, self._bank = view, bank
        with section(TEXT.set):
            self._totals = ui.label().classes("n-caption n-section-hint")
            self._tiles, self._below = block("n-tiles"), ui.element("div")

    async def refresh(self) -> None:
        """The first page anew, and the totals."""
        page = await self._page(None)
        self._tiles.clear()
        self._show(page)
        if not await self._count():
            with self._tiles:
                empty_state("photo_library", TEXT.empty, TEXT.empty_hint).classes("n-tiles-all")

    async def _count(self) -> int:
        """Show how many there are; returns it."""
        images = self._view.service.store.images
        count, bytes_ = await self._view.run(lambda: images.totals(self._bank))
        marked, serials = await self._view.run(lambda: images.parts(self._bank))
        shown = TEXT.set_count(count)
        if 0 < marked == count:
            shown = TEXT.of_parts.format(images=shown, parts=TEXT.part_count(serials))
        said = TEXT.set_size.format(count=shown, size=size(bytes_))
        self._totals.text = said if count else ""
        return count

    async def _page(self, after: str | None) -> Page[Image]:
        return await self._view.run(
            lambda: self._view.service.store.images.page(self._bank, after=after, limit=SHOWN)
        )

    def _show(self, page: Page[Image]) -> None:
        with self._tiles:
            for image in page.items:
                nominal_tile(self._view, self._bank, image.name, image.sha256, self._removed)
        self._below.clear()
        if page.next is None:
            return

        async def load() -> None:
            self._show(await self._page(page.next))

        with self._below:
            more(self._view, load)

    async def _removed(self) -> None:
        await self._count()
