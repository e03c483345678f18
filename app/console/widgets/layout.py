"""The blocks of a page: its heading, sections, figures."""

from __future__ import annotations

from nicegui import ui


def page_header(title: str, subtitle: str = "") -> ui.element:
    """The page's heading; its actions go into the element this gives."""
    with ui.element("div").classes("n-page-header"):
        with ui.element("div").classes("n-page-heading"):
            _heading("h1", title)
            if subtitle:
                ui.label(subtitle).classes("n-caption")
        return ui.element("div").classes("n-row n-actions")


def section(title: str = "", hint: str = "") -> ui.element:
    """A bordered block; its content goes inside."""
    with ui.element("section").classes("n-section") as block:
        if title:
            _heading("h2", title)
        if hint:
            ui.label(hint).classes("n-caption n-section-hint")
    return block


def figure(name: str, value: str, hint: str = "") -> ui.element:
    """A number with its name above it."""
    with ui.element("div").classes("n-figure") as block:
        ui.label(name).classes("n-figure-name")
        ui.label(value).classes("n-figure-value")
        if hint:
            ui.label(hint).classes("n-caption")
    return block


def row() -> ui.element:
    """Side by side, 8 px apart, wrapping."""
    return ui.element("div").classes("n-row")


def _heading(tag: str, text: str) -> None:
    with ui.element(tag):
        ui.label(text)
