"""Pictures of inspections and nominal images: in the page, in a dialog, and small ones that open it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from nicegui import ui

from app.console.pictures import RECENT, SIDE, RecentImages
from app.console.view import View
from app.console.widgets.blocks import block, empty_state
from app.console.widgets.controls import confirm, dialog, icon_button, secondary
from app.console.widgets.picture import Shown, picture
from app.console.widgets.words import ANSWER as TEXT
from app.console.widgets.words import NOMINAL
from app.console.words import SHELL
from app.store.schema import Inspection

NOMINAL_SIDE = 192  # pixels of a nominal image's thumbnail


def viewer(view: View, row: Inspection) -> None:
    """An inspection's picture, or why there is none and what would keep one."""
    recent: RecentImages = view.connection.scope[RECENT]
    passing = row.image_sha256 is None and recent.get(row.id) is not None
    if row.image_sha256 is None and not passing:
        lost = row.image_not_kept
        hint = (
            TEXT.kept_only[view.service.settings.image_keep] if lost is None else TEXT.lost.format(why=lost)
        )
        empty_state("hide_image", TEXT.no_picture, hint).classes("n-no-picture")
        return
    at = picture_url(view, row)
    whole = f"{at}photo?side={max(row.width, row.height)}" if max(row.width, row.height) > SIDE else None
    located = row.location or {}
    outline = located.get("outline") or () if located.get("located") else ()
    picture(Shown(row.width, row.height, f"{at}photo", whole, at, row.regions, outline))
    if passing:
        ui.label(TEXT.passing.format(keep=view.service.settings.image_keep)).classes("n-caption")


def picture_url(view: View, row: Inspection) -> str:
    """Where its pictures are; a kind follows: photo, layer, map, values, worst or nearest."""
    return view.url("media", "inspections", row.id) + "/"


def open_inspection(view: View, row: Inspection, name: str) -> None:
    """Its picture in a dialog, and the way to its page."""
    with view.client, dialog(name) as made:
        made.classes("n-picture-dialog")
        viewer(view, row)
        with block("n-row n-dialog-actions"):
            secondary(
                view, TEXT.open_page, lambda: view.go(view.url("inspections", row.id)), icon="open_in_new"
            )
            secondary(view, SHELL.close, made.close)


def thumbnail(view: View, row: Inspection | None, side: int = 192, *, opens: bool = True) -> None:
    """The kept image, small, and a way to see it large; or that there is none."""
    if row is None or row.image_sha256 is None:
        with block("n-thumb n-thumb-none"):
            ui.icon("hide_image").props('aria-hidden="true"')
            ui.label(TEXT.no_image).classes("n-caption")
        return
    small = f"{picture_url(view, row)}photo?side={side}"
    if not opens:
        block("n-thumb", "img", src=small, alt="", loading="lazy")
        return
    name = row.serial or row.name or TEXT.unnamed.format(id=row.id[-6:])
    with block("n-thumb-button", "button", type="button", aria_label=TEXT.look.format(name=name)) as button:
        block("n-thumb", "img", src=small, alt="", loading="lazy")
    button.on("click", view.handler(lambda: open_inspection(view, row, name)))


async def open_nominal(view: View, bank: str, name: str, sha256: str, version: int | None = None) -> None:
    """A nominal image in a dialog, with its map by a version without its part. Raises NotFound."""
    image = await view.run(lambda: view.store.images.get(bank, sha256))
    at = view.url("media", "banks", bank, "nominal", sha256)
    maps = (
        None
        if version is None
        else view.url("media", "banks", bank, "versions", version, "nominal", sha256) + "/"
    )
    longest = max(image.width, image.height)
    with view.client, dialog(name) as made:
        made.classes("n-picture-dialog")
        picture(
            Shown(
                image.width, image.height, f"{at}?side={SIDE}",
                f"{at}?side={longest}" if longest > SIDE else None, maps,
            )
        )  # fmt: skip
        if version is not None:
            ui.label(NOMINAL.held_out.format(n=version)).classes("n-caption")
        with block("n-row n-dialog-actions"):
            secondary(view, SHELL.close, made.close)


def nominal_tile(
    view: View,
    bank: str,
    name: str,
    sha256: str | None,
    removed: Callable[[], Awaitable[None]],
    version: int | None = None,
) -> ui.element:
    """A nominal image that opens, with its name and a cross that removes it; without a digest, that it is gone.

    version: by which its map is shown.
    """
    with block("n-tile", "figure") as tile:
        if sha256 is None:
            with block("n-thumbnail n-thumbnail-gone"):
                ui.icon("hide_image").props('aria-hidden="true"')
        else:
            small = f"{view.url('v1', 'banks', bank, 'images', sha256)}/thumbnail?side={NOMINAL_SIDE}"
            look = TEXT.look.format(name=name)
            with block("n-tile-button", "button", type="button", aria_label=look) as button:
                block("n-thumbnail", "img", src=small, alt="", loading="lazy", decoding="async")
            button.on("click", view.handler(lambda: open_nominal(view, bank, name, sha256, version)))
        with ui.element("figcaption"):
            ui.label(name).classes("n-tile-name").props["title"] = name
            if sha256 is not None:
                cross = icon_button(view, "close", NOMINAL.remove, lambda: ask(sha256), role="admin")
                cross.props["aria-label"] = NOMINAL.remove_named.format(name=name)

    def ask(sha256: str) -> None:
        async def remove() -> None:
            await view.run(lambda: view.store.images.remove(bank, sha256, actor=view.actor.id))
            tile.delete()
            await removed()

        confirm(view, NOMINAL.remove_title, NOMINAL.remove_text.format(name=name), NOMINAL.remove, remove)

    return tile
