"""Every bank as a card; create, rename, delete."""

from __future__ import annotations

import math
import re
import unicodedata
from typing import Any

from nicegui import ui

from app.console.pages.banks.cards import Cards, first
from app.console.pages.banks.input import FIELD
from app.console.pages.banks.settings import SettingsFields
from app.console.pages.banks.words import BANKS as TEXT
from app.console.view import View, page
from app.console.widgets.blocks import block, empty_state, page_header
from app.console.widgets.controls import (
    confirm,
    form,
    number_field,
    number_in,
    primary,
    secondary,
)
from app.learning import banks
from app.learning.banks import Glance
from app.lifecycle.vitals import backbone
from app.store.banks import BankChange
from app.store.ids import SLUG
from app.store.schema import Bank
from core.config import DetectorConfig

DEFAULTS = DetectorConfig()


@page("/", TEXT.name, icon="grid_view", order=10)
async def show(view: View) -> None:
    """The first page."""
    with page_header(TEXT.name, TEXT.lead):
        primary(view, TEXT.create, lambda: ask_new_bank(view), icon="add", role="admin")
    found = await first(view)
    if not found.items:
        with empty_state("grid_view", TEXT.none, TEXT.none_hint):
            primary(view, TEXT.create, lambda: ask_new_bank(view), icon="add", role="admin")
        return
    Cards(view, lambda glance: _foot(view, glance)).follow(found)


def _foot(view: View, glance: Glance) -> None:
    bank = glance.bank
    with block("n-card-foot"):
        secondary(view, TEXT.teach, lambda: view.go(view.url("banks", bank.id, "teach")), icon="school")
        block("n-space")
        with (
            ui.button(icon="more_vert", color=None)
            .props(f'flat round dense aria-label="{TEXT.more}"')
            .classes("n-icon-button"),
            ui.menu().classes("n-menu"),
        ):
            rename = ui.menu_item(TEXT.rename, view.handler(lambda: ask_new_title(view, bank), "admin"))
            delete = ui.menu_item(TEXT.delete, view.handler(lambda: _ask_delete(view, glance), "admin"))
        if (reason := view.why_not("admin")) is not None:
            for item in (rename, delete):
                item.props("disable").tooltip(reason)


def _ask_delete(view: View, glance: Glance) -> None:
    bank = glance.bank

    async def delete() -> None:
        await banks.delete(view.service.learning, bank.id, None, view.actor.id)
        view.go(f"{view.url()}/")

    confirm(view, TEXT.delete_title.format(title=bank.title), TEXT.delete_text, TEXT.delete, delete)


def ask_new_bank(view: View) -> None:
    """Name, id derived from it, input, metric, target rate, patches kept, copies; then on to teaching it."""

    async def create() -> None:
        asked = number_in(rate)
        if not all(each.validate() for each in (title, id, rate, fields)) or asked is None:
            return
        config = {**fields.config(), "target_false_reject": asked / 100}
        given: BankChange = {"title": title.value.strip(), "config": config}
        bank = id.value
        await view.run(lambda: banks.create(view.service.learning, bank, given, view.actor.id))
        made.close()
        view.go(view.url("banks", bank, "teach"))

    rate: Any = None

    def ask_rate() -> None:
        nonlocal rate
        rate = number_field(TEXT.rate, DEFAULTS.target_false_reject * 100, fault=_rate_fault).props(FIELD)
        hint = ui.label(_rate_hint(number_in(rate))).classes("n-caption")
        rate.on_value_change(lambda: hint.set_text(_rate_hint(number_in(rate))))

    with form(view, TEXT.create_title, TEXT.create, create) as made:
        title = ui.input(TEXT.title, validation=_needed).props(f'{FIELD} autofocus hint="{TEXT.title_hint}"')
        id = ui.input(TEXT.id, validation=_id_fault).props(f'{FIELD} hint="{TEXT.id_hint}"')
        title.on_value_change(lambda: id.set_value(slug_of(title.value or "")))
        fields = SettingsFields(DEFAULTS, ask_rate)
        ui.label(TEXT.backbone_note.format(name=backbone(view.service)["name"])).classes("n-caption")


def ask_new_title(view: View, bank: Bank) -> None:
    """Another name; the id stays. Someone else's change since is told, not overwritten."""

    async def save() -> None:
        if not title.validate():
            return
        change: BankChange = {"title": title.value.strip()}
        await banks.update(view.service.learning, bank.id, change, bank.revision, view.actor.id)
        made.close()
        view.reload()

    with form(view, TEXT.rename, TEXT.save, save) as made:
        title = ui.input(TEXT.title, value=bank.title, validation=_needed).props(f"{FIELD} autofocus")


def slug_of(title: str) -> str:
    """An id made of a name: 'Bottle cap, top' -> bottle-cap-top."""
    plain = unicodedata.normalize("NFKD", title).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9]+", "-", plain).strip("-")[:63]


def _needed(value: str | None) -> str | None:
    return None if (value or "").strip() else TEXT.title_needed


def _id_fault(value: str | None) -> str | None:
    return None if SLUG.fullmatch(value or "") else TEXT.id_needed


def _rate_fault(value: float) -> str | None:
    return None if 0 < value < 50 else TEXT.rate_needed


def _rate_hint(value: float | None) -> str:
    """How many images the rate needs: 1 / rate - 1."""
    if value is None or not 0 < value < 50:
        return TEXT.rate_needed
    return TEXT.rate_hint.format(n=math.ceil(100 / value - 1 - 1e-9))
