"""The nominal set as thumbnails, a page at a time."""

from __future__ import annotations

from functools import partial

from nicegui import ui

from app.console.formats import size
from app.console.text.shell import SHELL
from app.console.text.teach import TEACH as TEXT
from app.console.view import View
from app.console.widgets.buttons import icon_button, secondary
from app.console.widgets.dialogs import confirm
from app.console.widgets.layout import section
from app.console.widgets.states import empty_state
from app.store.page import Page
from app.store.schema import Image

PAGE = 60
SIDE = 192  # pixels of a thumbnail


class NominalGrid:
    """Shown where it is made; ``refresh`` after the set has changed."""

    def __init__(self, view: View, bank: str) -> None:
        self._view, self._bank = view, bank
        with section(TEXT.set):
            self._totals = ui.label().classes("n-caption n-section-hint")
            self._tiles = ui.element("div").classes("n-tiles")
            self._more = ui.element("div").classes("n-more")

    async def refresh(self) -> None:
        """The first page anew, and the totals."""
        count, bytes_ = await self._view.run(lambda: self._view.service.store.images.totals(self._bank))
        page = await self._page(None)
        self._totals.text = (
            TEXT.set_size.format(count=TEXT.set_count(count), size=size(bytes_)) if count else ""
        )
        self._tiles.clear()
        if count:
            self._show(page)
            return
        self._more.clear()
        with self._tiles:
            empty_state("photo_library", TEXT.empty, TEXT.empty_hint).classes("n-tiles-all")

    async def _page(self, after: str | None) -> Page[Image]:
        return await self._view.run(
            lambda: self._view.service.store.images.page(self._bank, after=after, limit=PAGE)
        )

    def _show(self, page: Page[Image]) -> None:
        with self._tiles:
            for image in page.items:
                self._tile(image)
        self._more.clear()
        if page.next is None:
            return

        async def load() -> None:
            self._show(await self._page(page.next))

        with self._more:
            secondary(self._view, SHELL.load_more, load)

    def _tile(self, image: Image) -> None:
        view = self._view
        path = view.url("media", "banks", self._bank, "images", image.sha256)
        with ui.element("figure").classes("n-tile") as tile:
            with ui.element("a") as link:
                link.props["href"], link.props["target"] = path, "_blank"
                thumbnail(f"{path}/thumbnail?side={SIDE}", image.name)
            with ui.element("figcaption"):
                name = ui.label(image.name).classes("n-tile-name")
                name.props["title"] = image.name
                button = icon_button(
                    view, "close", TEXT.remove, partial(self._ask, image, tile), role="admin"
                )
                button.props["aria-label"] = TEXT.remove_named.format(name=image.name)

    def _ask(self, image: Image, tile: ui.element) -> None:
        view = self._view

        async def remove() -> None:
            await view.run(
                lambda: view.service.store.images.remove(self._bank, image.sha256, actor=view.actor.id)
            )
            tile.delete()
            count, bytes_ = await view.run(lambda: view.service.store.images.totals(self._bank))
            self._totals.text = TEXT.set_size.format(count=TEXT.set_count(count), size=size(bytes_))

        confirm(view, TEXT.remove_title, TEXT.remove_text.format(name=image.name), TEXT.remove, remove)


def thumbnail(url: str, alt: str) -> ui.element:
    """A small picture, fetched when it comes into sight."""
    picture = ui.element("img").classes("n-thumbnail")
    picture.props["src"], picture.props["alt"] = url, alt
    picture.props["loading"], picture.props["decoding"] = "lazy", "async"
    return picture
