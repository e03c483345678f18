"""The dialog that adds a sink, and the one that shows its secret once."""

from __future__ import annotations

from typing import Any

from nicegui import ui

from app.console.pages.events.words import EVENTS as TEXT
from app.console.view import View
from app.console.widgets.controls import form, number_field, number_in, show_once
from app.console.words import WORDS
from app.events import managing

FIELD = "outlined dense hide-bottom-space"
MQTT_ONLY = ("host", "port", "tls", "username", "password", "version", "topic")


def ask_new_sink(view: View) -> None:
    """Kind, place and filters; a webhook's secret afterwards."""
    fields: dict[str, Any] = {}

    async def create() -> None:
        if not fields["port"].validate():
            return
        kind = str(fields["kind"].value)
        target, id = managing.target_of(_target(kind, fields)), str(fields["id"].value).strip()
        password = (fields["password"].value or None) if kind == "mqtt" else None
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
        _place_fields(fields)
        _filter_fields(view, fields)


def hand_over(view: View, id: str, secret: str) -> None:
    """Show a secret this once; then the page anew."""
    show_once(view, TEXT.secret_title.format(id=id), TEXT.secret_text, secret)


def _place_fields(fields: dict[str, Any]) -> None:
    kind = fields["kind"] = ui.select(dict(TEXT.kinds), label=TEXT.kind, value="webhook").props(FIELD)
    fields["id"] = ui.input(TEXT.id).props(f'{FIELD} maxlength=63 hint="{TEXT.id_hint}"')
    fields["url"] = ui.input(TEXT.url).props(f'{FIELD} hint="{TEXT.url_hint}"')
    fields["host"] = ui.input(TEXT.host).props(FIELD)
    fields["port"] = number_field(TEXT.port, None, needed=False, fault=_port_fault)
    fields["port"].props(f'{FIELD} hint="{TEXT.port_hint}"')
    fields["tls"] = ui.checkbox(TEXT.tls)
    fields["ca"] = ui.textarea(TEXT.ca).props(f'{FIELD} rows=2 hint="{TEXT.ca_hint}"')
    fields["username"] = ui.input(TEXT.username).props(f"{FIELD} autocomplete=off")
    fields["password"] = ui.input(TEXT.password, password=True).props(f"{FIELD} autocomplete=new-password")
    fields["version"] = ui.select(["5", "3.1.1"], label=TEXT.version, value="5").props(FIELD)
    fields["topic"] = ui.input(TEXT.topic, value="nominal/{bank}/{kind}").props(FIELD)
    fields["topic"].props(f'hint="{TEXT.topic_hint}"')

    def fit() -> None:
        for name in MQTT_ONLY:
            fields[name].set_visibility(kind.value == "mqtt")
        fields["url"].set_visibility(kind.value == "webhook")

    kind.on_value_change(fit)
    fit()


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


def _target(kind: str, fields: dict[str, Any]) -> dict[str, Any]:
    said: dict[str, Any] = {"kind": kind, "ca": fields["ca"].value or None}
    if kind == "webhook":
        return said | {"url": (fields["url"].value or "").strip()}
    port = number_in(fields["port"])
    said |= {name: fields[name].value for name in ("tls", "version", "topic")}
    said |= {"host": (fields["host"].value or "").strip(), "port": None if port is None else int(port)}
    return said | {"username": fields["username"].value or None}


def _chosen(value: Any) -> list[str] | None:
    names = value.split(",") if isinstance(value, str) else value or []
    return [name.strip() for name in names if name.strip()] or None


def _port_fault(value: float) -> str | None:
    return None if value == int(value) and 0 < value < 65536 else TEXT.port_needed
