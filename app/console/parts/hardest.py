"""The nominal images with the highest scores, so that a bad part among the good is found."""

from __future__ import annotations

from functools import partial

from nicegui import ui

from app.console.formats import score
from app.console.parts.nominal_grid import SIDE, thumbnail
from app.console.text.teach import TEACH
from app.console.text.versions import VERSIONS as TEXT
from app.console.view import View
from app.console.widgets.badges import badge
from app.console.widgets.buttons import icon_button
from app.console.widgets.dialogs import confirm
from app.console.widgets.layout import section
from app.insight.calibration import Insight, NominalScore


def hardest(view: View, found: Insight) -> None:
    """The highest first; each can be taken out of the set."""
    with section(TEXT.hardest, TEXT.hardest_hint):
        if all(image.sha256 is None for image in found.hardest):
            ui.label(TEXT.not_here).classes("n-caption")
            return
        with ui.element("div").classes("n-tiles n-tiles-wide"):
            for image in found.hardest:
                _tile(view, found, image)


def _tile(view: View, found: Insight, image: NominalScore) -> None:
    with ui.element("figure").classes("n-tile") as tile:
        if image.present:
            path = view.url("media", "banks", found.bank, "images", image.sha256)
            with ui.element("a") as link:
                link.props["href"], link.props["target"] = path, "_blank"
                thumbnail(f"{path}/thumbnail?side={SIDE}", image.name)
        else:
            with ui.element("div").classes("n-thumbnail n-thumbnail-gone"):
                ui.icon("hide_image")
        with ui.element("figcaption"):
            name = ui.label(image.name).classes("n-tile-name")
            name.props["title"] = image.name
            if image.present:
                button = icon_button(
                    view, "close", TEACH.remove, partial(_ask, view, found.bank, image, tile), role="admin"
                )
                button.props["aria-label"] = TEACH.remove_named.format(name=image.name)
        with ui.element("div").classes("n-tile-foot"):
            ui.label(TEXT.score.format(value=score(image.score))).classes("n-strong")
            if not image.present:
                ui.label(TEXT.gone).classes("n-caption")
            elif found.thresholds is not None and image.score > found.thresholds.reject:
                badge(TEXT.above, "warning", "reject")


def _ask(view: View, bank: str, image: NominalScore, tile: ui.element) -> None:
    async def remove() -> None:
        assert image.sha256 is not None  # only present ones have the button
        sha256 = image.sha256
        await view.run(lambda: view.service.store.images.remove(bank, sha256, actor=view.actor.id))
        tile.delete()
        view.say(TEXT.removed.format(name=image.name))

    confirm(view, TEACH.remove_title, TEACH.remove_text.format(name=image.name), TEACH.remove, remove)
