"""API keys as a table: what each may, whether it is valid, and what can be done with it."""

from __future__ import annotations

from datetime import UTC, datetime

from nicegui import ui

from app.console.formats import age, moment
from app.console.parts.elements import block, text
from app.console.parts.key_dialogs import ask_revocation, ask_rotation
from app.console.text.system import SYSTEM as TEXT
from app.console.view import View
from app.console.widgets.badges import badge
from app.console.widgets.buttons import secondary
from app.lifecycle.keys import LOCAL
from app.store.schema import ApiKey


def key_table(view: View, rows: list[ApiKey]) -> None:
    """Valid ones first."""
    with block("n-table-section"), block("n-table", "table"):
        with ui.element("thead"), ui.element("tr"):
            for name in (TEXT.key_name, TEXT.id, TEXT.role, TEXT.created, TEXT.expires, TEXT.state):
                text(name, tag="th").props('scope="col"')
            ui.element("th")
        with ui.element("tbody"):
            for row in sorted(rows, key=lambda row: not is_valid(row)):
                _row(view, row)


def is_valid(row: ApiKey) -> bool:
    """Neither revoked nor past its time."""
    return row.revoked_at is None and (row.expires_at is None or row.expires_at > datetime.now(UTC))


def _row(view: View, row: ApiKey) -> None:
    own = f" ({TEXT.you})" if row.id == view.actor.id and row.id != LOCAL else ""
    with ui.element("tr").mark(f"key-{row.id}"):
        text(f"{row.name}{own}", "n-strong", "td")
        text(row.id, "n-id", "td")
        text(TEXT.roles[row.role].partition(":")[0], tag="td")
        text(age(row.created_at), "n-caption", "td").props["title"] = moment(row.created_at)
        text(moment(row.expires_at) if row.expires_at else TEXT.never, "n-caption", "td")
        with ui.element("td"):
            _state(row)
        with ui.element("td"), block("n-row n-key-actions"):
            if is_valid(row):
                secondary(view, TEXT.rotate, lambda: ask_rotation(view, row), role="admin")
                secondary(view, TEXT.revoke, lambda: ask_revocation(view, row), role="admin")


def _state(row: ApiKey) -> None:
    if row.revoked_at is not None:
        badge(TEXT.is_revoked, "block")
    elif is_valid(row):
        badge(TEXT.valid, "check_circle", "accept")
    else:
        badge(TEXT.expired, "schedule")
