"""System: health, recent problems, API keys, about."""

from __future__ import annotations

import platform

from nicegui import ui

from app.console.formats import age, moment
from app.console.parts import scripts
from app.console.parts.elements import block, text
from app.console.parts.key_dialogs import ask_new_key
from app.console.parts.key_table import key_table
from app.console.parts.system_health import health as health_block
from app.console.registry import page
from app.console.text.system import SYSTEM as TEXT
from app.console.view import View
from app.console.widgets.badges import badge
from app.console.widgets.buttons import primary
from app.console.widgets.layout import page_header, section
from app.lifecycle import about, health
from app.ops.recent import MOST, Seen

LOOK_SECONDS = 5.0
SHOWN = 12  # recent problems; the older ones are counted


@page("/system", TEXT.name, icon="monitor_heart", order=90)
async def show(view: View) -> None:
    """The page; health and problems are looked at anew while it is open."""
    scripts.use(view, "inspection.css", "keys.js")
    page_header(TEXT.name, TEXT.lead)
    live = block("n-live")

    async def look() -> None:
        state = await health.overall(view.service, named=True)
        problems = view.service.observed.problems.latest()
        live.clear()
        with live:
            health_block(state)
            _problems(problems)

    await look()
    await _keys(view)
    _about(view)
    ui.timer(LOOK_SECONDS, view.handler(look), immediate=False)


def _problems(found: list[Seen]) -> None:
    with section(TEXT.problems, TEXT.problems_hint.format(most=MOST)):
        if not found:
            ui.label(TEXT.no_problems).classes("n-caption")
        with block("n-problems", "ul"):
            for seen in found[:SHOWN]:
                _problem(seen)
        if len(found) > SHOWN:
            ui.label(TEXT.more_problems(len(found) - SHOWN)).classes("n-caption")


def _problem(seen: Seen) -> None:
    with block("n-problem", "li"):
        serious = seen.status >= 500
        badge(str(seen.status), "error" if serious else "info", "reject" if serious else "neutral")
        with block("n-problem-words"):
            ui.label(seen.detail)
            said = [seen.where, TEXT.times(seen.times), age(seen.last)]
            if seen.request_id is not None:
                said.append(TEXT.request.format(id=seen.request_id))
            ui.label(" · ".join(said)).classes("n-caption").props["title"] = moment(seen.last)


async def _keys(view: View) -> None:
    if not view.may("admin"):
        with section(TEXT.keys):
            ui.label(TEXT.keys_admins).classes("n-caption")
        return
    rows = await view.run(lambda: view.service.store.keys.all())
    with section():
        with block("n-section-head n-keys-head"):
            with ui.element("div"):
                text(TEXT.keys, tag="h2")
                ui.label(TEXT.keys_hint).classes("n-caption")
            primary(view, TEXT.create, lambda: ask_new_key(view), icon="key", role="admin")
        if rows:
            key_table(view, rows)
        else:
            ui.label(TEXT.no_keys).classes("n-caption")


def _about(view: View) -> None:
    own, found = view.service.inspecting.backbones.default, about.processor()
    runs = TEXT.runtime_value.format(runtime=own.runtime, precision=own.precision)
    with block("n-grid n-about"):
        with section(TEXT.about), block("n-facts", "dl"):
            _fact(TEXT.runtime, runs)
            _fact(TEXT.weights, f"{own.spec.name} · {own.digest[:12]}")
            _fact(TEXT.processor, f"{found.machine}, {TEXT.cores(found.cores)} · {' '.join(found.features)}")
            _fact(TEXT.python, platform.python_version())
        with section(TEXT.documentation), block("n-links"):
            for name, path in ((TEXT.docs, "docs"), (TEXT.schema, "openapi.json"), (TEXT.metrics, "metrics"),
                               (TEXT.health, "health")):  # fmt: skip
                _link(view, name, path)
    with section(TEXT.licences), block("n-table-section"), block("n-table", "table"):
        with ui.element("thead"), ui.element("tr"):
            for name in (TEXT.part, TEXT.version, TEXT.licence):
                text(name, tag="th").props('scope="col"')
        with ui.element("tbody"):
            for part in about.parts(view.service):
                with ui.element("tr"):
                    for value in (part.name, part.version, part.licence):
                        text(value, tag="td")


def _fact(name: str, value: str) -> None:
    with block("n-fact"):
        text(name, tag="dt")
        text(value, tag="dd")


def _link(view: View, name: str, path: str) -> None:
    """To the service itself, one level above the console."""
    root = view.url().removesuffix("/console")
    with block("n-link", "a", href=f"{root}/{path}", target="_blank", rel="noopener"):
        ui.icon("open_in_new").props('aria-hidden="true"')
        ui.label(name)
