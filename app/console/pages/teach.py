"""Teach a bank: its nominal images in, and a build of them."""

from __future__ import annotations

from nicegui import ui

from app.console.parts.build_panel import BuildPanel
from app.console.parts.nominal_grid import NominalGrid
from app.console.registry import page
from app.console.text.teach import TEACH as TEXT
from app.console.view import View
from app.console.widgets.layout import page_header, section
from app.console.widgets.uploader import Uploader


@page("/banks/{bank}/teach", TEXT.name, icon="school", order=20)
async def show(view: View) -> None:
    """Upload and build side by side, the set below them."""
    assert view.bank is not None
    bank = view.bank.id
    page_header(TEXT.name, TEXT.lead.format(bank=view.bank.title))
    with ui.element("div").classes("n-columns n-after"):
        with section(TEXT.add):
            uploader = Uploader(view, view.url("banks", bank, "images"))
        panel = BuildPanel(view, bank)
    grid = NominalGrid(view, bank)

    async def refresh() -> None:
        await grid.refresh()
        await panel.refresh()

    for event in ("taken", "done"):
        uploader.on(event, view.handler(refresh), throttle=2.0)
    await refresh()
