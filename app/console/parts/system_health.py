"""Health as people read it: what to look at, and the figures of each part."""

from __future__ import annotations

from typing import Any

from nicegui import ui

from app.console.formats import duration, size
from app.console.parts.elements import block, text
from app.console.text.system import SYSTEM as TEXT
from app.console.widgets.layout import figure

State = dict[str, Any]


def health(state: State) -> None:
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
