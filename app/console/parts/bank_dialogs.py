"""The dialogs of the page of all banks: a new bank, a new name."""

from __future__ import annotations

import math
import re
import unicodedata

from nicegui import ui

from app.console.text.banks import BANKS as TEXT
from app.console.view import View
from app.console.widgets.buttons import primary
from app.console.widgets.dialogs import actions, dialog, show
from app.learning import banks
from app.lifecycle.vitals import backbone
from app.store.ids import SLUG
from app.store.schema import Bank
from core.config import DetectorConfig

DEFAULTS = DetectorConfig()
FIELD = "outlined dense hide-bottom-space"


def ask_new_bank(view: View) -> None:
    """Name, id derived from it, input size, target rate; then on to teaching it."""
    made, card = dialog(TEXT.create_title)
    with card:
        title = ui.input(TEXT.title, validation=_needed).props(f'{FIELD} autofocus hint="{TEXT.title_hint}"')
        id = ui.input(TEXT.id, validation=_id_fault).props(f'{FIELD} hint="{TEXT.id_hint}"')
        title.on_value_change(lambda: id.set_value(slug_of(title.value or "")))
        size = ui.select(dict(TEXT.sizes), label=TEXT.size, value=DEFAULTS.input.size)
        size.props(f'{FIELD} hint="{TEXT.size_hint}"')
        rate = ui.number(
            TEXT.rate, value=DEFAULTS.target_false_reject * 100, step=0.5, validation=_rate_fault
        ).props(FIELD)
        hint = ui.label(_rate_hint(rate.value)).classes("n-caption")
        rate.on_value_change(lambda: hint.set_text(_rate_hint(rate.value)))
        ui.label(TEXT.backbone_note.format(name=backbone(view.service)["name"])).classes("n-caption")

        async def create() -> None:
            if not all(each.validate() for each in (title, id, rate)):
                return
            config = {"input": {"size": size.value}, "target_false_reject": rate.value / 100}
            name, bank = title.value.strip(), id.value
            await view.run(
                lambda: banks.create(
                    view.service.learning, bank, {"title": name, "config": config}, view.actor.id
                )
            )
            made.close()
            view.go(view.url("banks", bank, "teach"))

        with actions(view, made):
            primary(view, TEXT.create, create, role="admin")
    show(made)


def ask_new_title(view: View, bank: Bank) -> None:
    """Another name; the id stays. Someone else's change since is told, not overwritten."""
    made, card = dialog(TEXT.rename)
    with card:
        title = ui.input(TEXT.title, value=bank.title, validation=_needed).props(f"{FIELD} autofocus")

        async def save() -> None:
            if not title.validate():
                return
            change = {"title": title.value.strip()}
            await banks.update(view.service.learning, bank.id, change, bank.revision, view.actor.id)  # type: ignore[arg-type]
            made.close()
            view.reload()

        with actions(view, made):
            primary(view, TEXT.save, save, role="admin")
    show(made)


def slug_of(title: str) -> str:
    """An id made of a name: 'Bottle cap, top' -> bottle-cap-top."""
    plain = unicodedata.normalize("NFKD", title).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9]+", "-", plain).strip("-")[:63]


def _needed(value: str | None) -> str | None:
    return None if (value or "").strip() else TEXT.title_needed


def _id_fault(value: str | None) -> str | None:
    return None if SLUG.fullmatch(value or "") else TEXT.id_needed


def _rate_fault(value: float | None) -> str | None:
    return None if value is not None and 0 < value < 50 else TEXT.rate_needed


def _rate_hint(value: float | None) -> str:
    """How many images the rate needs: 1 / rate - 1."""
    if value is None or not 0 < value < 50:
        return TEXT.rate_needed
    return TEXT.rate_hint.format(n=math.ceil(100 / value - 1 - 1e-9))
