"""The fields of a sink's target: which kind has which, and what they say together."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nicegui import ui

from app.console.pages.events.words import EVENTS as TEXT
from app.console.widgets.controls import number_field, number_in
from app.errors import FieldInvalid

FIELD = "outlined dense hide-bottom-space"
OF_KINDS: Mapping[str, tuple[str, ...]] = {
    "webhook": ("url", "ca"),
    "mqtt": ("host", "port", "tls", "ca", "username", "password", "version", "topic"),
    "opcua": ("address", "port", "security", "clients", "username", "password", "anonymous"),
    "modbus": ("address", "port", "units", "scale", "acknowledge"),
}
PORTS = {"mqtt": TEXT.port_hint, "opcua": TEXT.opcua_port_hint, "modbus": TEXT.modbus_port_hint}
WHOLE = ("port", "scale")  # numbers
FIRST = "webhook"


def place_fields(fields: dict[str, Any]) -> None:
    """Each kind's are shown while it is chosen."""
    kind = fields["kind"] = ui.select(dict(TEXT.kinds), label=TEXT.kind, value=FIRST).props(FIELD)
    fields["id"] = ui.input(TEXT.id).props(f'{FIELD} maxlength=63 hint="{TEXT.id_hint}"')
    fields["url"] = ui.input(TEXT.url).props(f'{FIELD} hint="{TEXT.url_hint}"')
    fields["host"] = ui.input(TEXT.host).props(FIELD)
    fields["address"] = ui.input(TEXT.address, value="127.0.0.1").props(f'{FIELD} hint="{TEXT.address_hint}"')
    fields["port"] = number_field(TEXT.port, None, needed=False, fault=_port_fault).props(FIELD)
    fields["security"] = ui.select(dict(TEXT.securities), label=TEXT.security, value="encrypt").props(FIELD)
    fields["tls"] = ui.checkbox(TEXT.tls)
    fields["ca"] = ui.textarea(TEXT.ca).props(f'{FIELD} rows=2 hint="{TEXT.ca_hint}"')
    fields["clients"] = ui.textarea(TEXT.clients).props(f'{FIELD} rows=2 hint="{TEXT.clients_hint}"')
    fields["username"] = ui.input(TEXT.username).props(f"{FIELD} autocomplete=off")
    fields["password"] = ui.input(TEXT.password, password=True).props(f"{FIELD} autocomplete=new-password")
    fields["anonymous"] = ui.checkbox(TEXT.anonymous)
    fields["version"] = ui.select(["5", "3.1.1"], label=TEXT.version, value="5").props(FIELD)
    fields["topic"] = ui.input(TEXT.topic, value="nominal/{bank}/{kind}").props(FIELD)
    fields["topic"].props(f'hint="{TEXT.topic_hint}"')
    fields["units"] = ui.input(TEXT.units).props(f'{FIELD} hint="{TEXT.units_hint}"')
    fields["scale"] = number_field(TEXT.scale, 100, fault=_scale_fault)
    fields["scale"].props(f'{FIELD} hint="{TEXT.scale_hint}"')
    fields["acknowledge"] = ui.checkbox(TEXT.acknowledge)

    def fit() -> None:
        for name in {name for names in OF_KINDS.values() for name in names}:
            fields[name].set_visibility(name in OF_KINDS[kind.value])
        fields["port"].props(f'hint="{PORTS.get(kind.value, "")}"')

    kind.on_value_change(fit)
    fit()


def are_valid(fields: Mapping[str, Any]) -> bool:
    """Whether the numbers of the chosen kind are; else their fields say why."""
    names = OF_KINDS[fields["kind"].value]
    faulty = [name for name in WHOLE if name in names and not fields[name].validate()]
    return not faulty


def said(fields: Mapping[str, Any]) -> dict[str, Any]:
    """The target; what is empty is left to its default. Raises FieldInvalid for units that are none."""
    kind = str(fields["kind"].value)
    found: dict[str, Any] = {"kind": kind}
    for name in OF_KINDS[kind]:
        value = fields[name].value
        if name in WHOLE:
            number = number_in(fields[name])
            value = None if number is None else int(number)
        elif name == "units":
            value = _units(str(value or ""))
        elif isinstance(value, str):
            value = value.strip()
        if name != "password" and value not in (None, ""):
            found[name] = value
    return found


def password_of(fields: Mapping[str, Any]) -> str | None:
    """Where the chosen kind has one."""
    return (fields["password"].value or None) if "password" in OF_KINDS[fields["kind"].value] else None


def _units(text: str) -> dict[str, int]:
    pairs = [pair.strip().rpartition("=") for pair in text.split(",") if pair.strip()]
    if not pairs or not all(bank.strip() and unit.strip().isdecimal() for bank, _, unit in pairs):
        raise FieldInvalid(TEXT.units_needed, ascii(text[:80]), TEXT.units_hint)
    return {bank.strip(): int(unit) for bank, _, unit in pairs}


def _port_fault(value: float) -> str | None:
    return None if value == int(value) and 0 < value < 65536 else TEXT.port_needed


def _scale_fault(value: float) -> str | None:
    return None if value == int(value) and 0 < value <= 10_000 else TEXT.scale_needed
