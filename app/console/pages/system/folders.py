"""Watched folders on the system page: how each is, how many files wait, were done and failed, what went wrong last."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from nicegui import ui

from app.console.pages.system.words import SYSTEM as TEXT
from app.console.widgets.blocks import badge, block, section, table, text
from app.console.words import age, moment


def folder_table(folders: Sequence[dict[str, Any]]) -> None:
    """One row a folder, as /health has them."""
    heads = TEXT.folder, TEXT.folder_bank, TEXT.folder_state, TEXT.folder_waiting, TEXT.folder_done
    rows = table(*heads, TEXT.folder_failed, TEXT.folder_error)
    with section(TEXT.folders, TEXT.folders_hint), block("n-table-section"), rows:
        for each in folders:
            with ui.element("tr"):
                _folder(each)


def _folder(each: dict[str, Any]) -> None:
    with ui.element("td"):
        ui.label(each["folder"])
        ui.label(TEXT.after[each["after"]]).classes("n-caption")
    with ui.element("td"):
        ui.label(each["bank"])
        if each["station"] is not None:
            ui.label(each["station"]).classes("n-caption")
    with ui.element("td"):
        if each["fault"] is None:
            badge(TEXT.folder_well, "check_circle", "accept")
        else:
            badge(TEXT.folder_waits, "error", "reject")
    for number in (each["waiting"], each["done"], each["failed"]):
        text(f"{number:,}", tag="td")
    with ui.element("td"):
        if each["error"] is not None:
            when = datetime.fromisoformat(each["error_at"])
            ui.label(each["error"])
            ui.label(age(when)).classes("n-caption").props["title"] = moment(when)
