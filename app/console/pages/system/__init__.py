"""System: health, recent problems, API keys, about."""

from __future__ import annotations

import platform
from typing import Any

from nicegui import ui

from app.console.pages.system.folders import folder_table
from app.console.pages.system.keys import ask_new_key, key_table, people_table
from app.console.pages.system.words import SYSTEM as TEXT
from app.console.view import View, page
from app.console.widgets.blocks import badge, block, fact, figure, page_header, section, table, text
from app.console.widgets.controls import primary
from app.console.words import age, duration, moment, size
from app.lifecycle import health, vitals
from app.ops.observed import MOST, Seen

LOOK_SECONDS = 5.0
State = dict[str, Any]
SHOWN = 12  # recent problems; the older ones are counted


@page("/system", TEXT.name, icon="monitor_heart", order=90)
async def show(view: View) -> None:
    """The page; health and problems are looked at anew while it is open."""
    view.use("inspection.css", "keys.js")
    page_header(TEXT.name, TEXT.lead)
    live = block("n-live")

    async def look() -> None:
        state = health.overall(view.service, view.actor.scope)
        problems = view.service.observed.problems.latest()
        live.clear()
        with live:
            _health(state)
            if state["folders"]:
                folder_table(state["folders"])
            _problems(problems)

    await look()
    await _kept(view)
    await _keys(view)
    await _people(view)
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


async def _kept(view: View) -> None:
    """Which images and inspections stay, how long, and when everything was backed up last."""
    kept = vitals.retention(view.service.settings)
    last = await view.run(lambda: view.store.audit.page(target="store", limit=1))
    made = last.items[0] if last.items else None
    with section(TEXT.kept, TEXT.kept_hint), block("n-figures"):
        sample = TEXT.sample.format(n=kept.get("sample_count"), size=size(kept.get("sample_bytes", 0)))
        figure(TEXT.images_kept, TEXT.policies[kept["images"]], sample if kept["images"] == "sample" else "")
        for name, days in kept["days"].items():
            figure(TEXT.days_kept[name], TEXT.day_count(days) if days else TEXT.for_ever)
        when = TEXT.backup_none if made is None else age(made.created_at)
        hint = TEXT.backup_none_hint if made is None else moment(made.created_at)
        figure(TEXT.backup, when, hint)


async def _keys(view: View) -> None:
    if not view.may("admin"):
        with section(TEXT.keys):
            ui.label(TEXT.keys_admins).classes("n-caption")
        return
    rows = await view.run(lambda: view.store.keys.all())
    with section():
        with block("n-section-head n-keys-head"):
            with ui.element("div"):
                text(TEXT.keys, tag="h2")
                ui.label(TEXT.keys_hint).classes("n-caption")
            primary(view, TEXT.create, lambda: ask_new_key(view), icon="key", role="admin")
        if rows:
            key_table(view, rows)
        else:
            ui.label(TEXT.no_keys if view.service.provider is None else TEXT.no_keys_yet).classes("n-caption")


async def _people(view: View) -> None:
    """Those who signed in at the provider, where one is set up or anybody ever did."""
    if not view.may("admin"):
        return
    rows = await view.run(lambda: view.store.people.all())
    if not rows and view.service.provider is None:
        return
    with section(TEXT.people, TEXT.people_hint):
        if rows:
            people_table(view, rows)
        else:
            ui.label(TEXT.nobody).classes("n-caption")


def _about(view: View) -> None:
    own, found = view.service.inspecting.backbones.default, vitals.processor()
    runs = TEXT.runtime_value.format(runtime=own.runtime, precision=own.precision)
    with block("n-grid n-about"):
        with section(TEXT.about), block("n-facts", "dl"):
            fact(TEXT.runtime, runs)
            fact(TEXT.weights, f"{own.spec.name} · {own.digest[:12]}")
            fact(TEXT.processor, f"{found.machine}, {TEXT.cores(found.cores)} · {' '.join(found.features)}")
            fact(TEXT.python, platform.python_version())
        with section(TEXT.documentation), block("n-links"):
            for name, path in ((TEXT.docs, "docs"), (TEXT.schema, "openapi.json"), (TEXT.metrics, "metrics"),
                               (TEXT.health, "health")):  # fmt: skip
                _link(view, name, path)
    heads = TEXT.part, TEXT.version, TEXT.licence
    with section(TEXT.licences), block("n-table-section"), table(*heads):
        for part in vitals.parts(view.service):
            with ui.element("tr"):
                for value in (part.name, part.version, part.licence):
                    text(value, tag="td")


def _link(view: View, name: str, path: str) -> None:
    """To the service itself, one level above the console."""
    root = view.url().removesuffix("/console")
    with block("n-link", "a", href=f"{root}/{path}", target="_blank", rel="noopener"):
        ui.icon("open_in_new").props('aria-hidden="true"')
        ui.label(name)


def _health(state: State) -> None:
    """All of /health, with the reasons that a key lets one see."""
    with block("n-section n-health", aria_live="polite"):
        _headline(state)
        with block("n-figures"):
            _queue(state["queue"])
            memory = state["memory"]
            figure(
                TEXT.memory,
                size(memory["resident_bytes"]),
                TEXT.memory_hint.format(available=size(memory["available_bytes"])),
            )
            _banks(memory)
            disk = state["disk"]
            hint = TEXT.disk_hint.format(reserve=size(disk["reserve_bytes"]))
            figure(TEXT.disk, size(disk["free_bytes"]), hint)
            _worker(state["worker"])
            _database(state["database"])


def _headline(state: State) -> None:
    reasons = state.get("fault_reasons", {})
    icon, kind, words = "check_circle", "accept", TEXT.healthy
    if state["draining"]:
        icon, kind, words = "power_settings_new", "review", TEXT.draining
    elif not state["ready"]:
        icon, kind, words = "hourglass_top", "review", TEXT.warming
    elif reasons:
        icon, kind, words = "error", "reject", TEXT.faults(len(reasons))
    with block("n-headline"):
        ui.icon(icon).classes(f"n-ink-{kind}").props('aria-hidden="true"')
        with block("n-headline-words"):
            text(words, tag="h2")
            running = duration(state["uptime_seconds"])
            ui.label(TEXT.running.format(duration=running, n=state["queue"]["in_flight"])).classes(
                "n-caption"
            )
    if reasons:
        with block("n-refusal-list", "ul"):
            for name, reason in reasons.items():
                text(TEXT.fault.format(name=name, reason=reason), "n-refusal", "li")


def _queue(queue: State) -> None:
    spent = queue["seconds_per_image"]
    hint = (
        TEXT.queue_idle
        if spent is None
        else TEXT.queue_hint.format(ms=TEXT.milliseconds.format(n=f"{spent * 1e3:.0f}"))
    )
    figure(TEXT.queue, TEXT.queue_value.format(waiting=queue["waiting"], size=queue["size"]), hint)


def _banks(memory: State) -> None:
    held, budget = size(memory["banks_bytes"]), size(memory["banks_budget_bytes"])
    figure(TEXT.banks, str(memory["banks_loaded"]), TEXT.banks_hint.format(bytes=held, budget=budget))


def _worker(worker: State | None) -> None:
    if worker is None:
        figure(TEXT.worker, TEXT.worker_none, TEXT.worker_none_hint)
    else:
        word = TEXT.worker_runs if worker["alive"] else TEXT.worker_down
        figure(TEXT.worker, word, TEXT.worker_hint(worker["restarts"]))


def _database(database: State) -> None:
    if "error" in database:
        figure(TEXT.database, TEXT.database_down, database["error"])
    else:
        spent = TEXT.milliseconds.format(n=f"{database['milliseconds']:.1f}")
        figure(TEXT.database, database["kind"], TEXT.database_hint.format(ms=spent))
