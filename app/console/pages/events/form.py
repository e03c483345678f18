"""The dialog that adds a sink, and the one that shows its secret once."""

from __future__ import annotations

from typing import Any

from nicegui import ui

from app.console.pages.events.target import FIELD, are_valid, password_of, place_fields, said
from app.console.pages.events.words import EVENTS as TEXT
from app.console.view import View
from app.console.widgets.controls import form, show_once
from app.console.words import WORDS
from app.events import managing


def ask_new_sink(view: View) -> None:
    """Kind, place and filters; a webhook's secret afterwards."""
    fields: dict[str, Any] = {}

    async def create() -> None:
        if not are_valid(fields):
            return
        target, id = managing.target_of(said(fields)), str(fields["id"].value).strip()
        password = password_of(fields)
        filters: Any = {
            name: _chosen(fields[name].value) for name in ("kinds", "banks", "decisions", "stations")
        }
        actor, relay = view.actor.id, view.service.relay
        _, secret = await view.run(
            lambda: managing.create(relay, id, target, actor=actor, password=password, **filters)
        )
        made.close()
        hand_over(view, id, secret) if secret is not None else view.reload()

    with view.client, form(view, TEXT.add_title, TEXT.add, create) as made:
        place_fields(fields)
        _filter_fields(view, fields)


def hand_over(view: View, id: str, secret: str) -> None:
    """Show a secret this once; then the page anew."""
    show_once(view, TEXT.secret_title.format(id=id), TEXT.secret_text, secret)


def _filter_fields(view: View, fields: dict[str, Any]) -> None:
    banks = {bank.id: bank.title or bank.id for bank in view.banks}
    decisions = dict(WORDS.decisions)
    for name, label, options in (
        ("kinds", TEXT.event_kinds, dict(TEXT.event_kind)),
        ("banks", TEXT.banks, banks),
        ("decisions", TEXT.decisions, decisions),
    ):
        fields[name] = ui.select(options, label=label, multiple=True, value=[]).props(FIELD)
        fields[name].props(f'use-chips hint="{TEXT.all_hint}"')
    fields["stations"] = ui.input(TEXT.stations).props(f'{FIELD} hint="{TEXT.stations_hint}"')


def _chosen(value: Any) -> list[str] | None:
    names = value.split(",") if isinstance(value, str) else value or []
    return [name.strip() for name in names if name.strip()] or None
