"""Events: where they go, how they fare there, what was given up."""

from __future__ import annotations

import json
from functools import partial

from nicegui import ui

from app.console.pages.events.form import ask_new_sink, hand_over
from app.console.pages.events.words import EVENTS as TEXT
from app.console.view import View, page
from app.console.widgets.blocks import badge, block, empty_state, page_header, section, table, text
from app.console.widgets.controls import confirm, dialog, primary, secondary
from app.console.words import SHELL, WORDS, age, moment
from app.events import managing
from app.store.outbox import Depth
from app.store.schema import EventState, Outgoing, Sink
from app.store.sinks import machine_of

DEAD: EventState = "dead"
SHOWN = 20  # dead events of a sink; the rest are counted
LOOK_SECONDS = 5.0


@page("/events", TEXT.name, icon="outbound", order=85)
async def show(view: View) -> None:
    """The page; the sinks are looked at anew while it is open."""
    view.use("inspection.css", "keys.js")
    with page_header(TEXT.name, TEXT.lead):
        primary(view, TEXT.add, lambda: ask_new_sink(view), icon="add", role="admin")
    if not view.may("admin"):
        empty_state("lock", TEXT.none, TEXT.admins)
        return
    view.actor.scope.admit_whole()
    live = block("n-live")

    async def look() -> None:
        sinks = await view.run(view.store.sinks.all)
        depths = await view.run(view.store.outbox.depths)
        live.clear()
        with live:
            _sinks(view, sinks, depths)

    await look()
    for sink in await view.run(view.store.sinks.all):
        await _dead(view, sink)
    ui.timer(LOOK_SECONDS, view.handler(look, "admin"), immediate=False)


def _sinks(view: View, sinks: list[Sink], depths: dict[str, Depth]) -> None:
    if not sinks:
        empty_state("outbound", TEXT.none, TEXT.none_hint)
        return
    heads = TEXT.id, TEXT.place, TEXT.wants, TEXT.state, TEXT.waiting, TEXT.dead, TEXT.delivered, ""
    with section(TEXT.sinks), block("n-table-section"), table(*heads):
        for sink in sinks:
            _row(view, sink, depths.get(sink.id, Depth()))


def _row(view: View, sink: Sink, depth: Depth) -> None:
    with ui.element("tr").mark(f"sink-{sink.id}"):
        text(sink.id, "n-strong", "td")
        text(f"{TEXT.kinds[sink.kind]} {place_of(sink)}", tag="td")
        text(wants(sink), "n-caption", "td")
        with ui.element("td"):
            _state(sink)
        since = "" if depth.oldest is None else age(depth.oldest)
        waits = TEXT.waiting_since.format(n=f"{depth.waiting:,}", age=since) if depth.waiting else "0"
        text(waits, tag="td")
        text(f"{depth.dead:,}", tag="td")
        text(f"{sink.delivered:,}", tag="td")
        with ui.element("td"), block("n-row n-key-actions"):
            secondary(view, TEXT.sample, partial(_sample, view, sink), role="admin")
            word = TEXT.switch_off if sink.enabled else TEXT.switch_on
            secondary(view, word, partial(_switch, view, sink), role="admin")
            if sink.kind == "webhook":
                secondary(view, TEXT.rotate, partial(_ask_rotation, view, sink), role="admin")
            secondary(view, TEXT.delete, partial(_ask_deletion, view, sink), role="admin")


def _state(sink: Sink) -> None:
    if not sink.enabled:
        badge(TEXT.off, "block")
    elif sink.error is not None:
        badge(TEXT.fails, "error", "reject")
        ui.label(sink.error).classes("n-caption")
    elif sink.delivered_at is None:
        badge(TEXT.quiet, "schedule")
    else:
        badge(TEXT.works, "check_circle", "accept").props["title"] = moment(sink.delivered_at)


def place_of(sink: Sink) -> str:
    """Where it goes, in a few words; of an address only the host, whose rest may be a secret."""
    target = sink.target
    if "address" in target:
        place, machine = f"{target['address']}:{target['port']}", machine_of(sink)
        return place if machine is None else TEXT.on_machine.format(place=place, machine=machine)
    return str(target["host"]) if "host" in target else str(target["url"]).split("/")[2]


def wants(sink: Sink) -> str:
    """Which events it gets."""
    said = [TEXT.event_kind[kind] for kind in sink.kinds or ()]
    said += [*(sink.banks or ()), *(WORDS.decisions[each] for each in sink.decisions or ())]
    return ", ".join([*said, *(sink.stations or ())]) or TEXT.everything


async def _sample(view: View, sink: Sink) -> None:
    seconds = await view.service.relay.sample(sink)
    await view.run(lambda: view.store.audit.note(view.actor.id, "sink.sample", f"sink:{sink.id}"))
    view.say(TEXT.sampled.format(id=sink.id, ms=f"{seconds * 1e3:.0f}"))


async def _switch(view: View, sink: Sink) -> None:
    change = {"enabled": not sink.enabled}
    await view.run(lambda: managing.change(view.service.relay, sink.id, change, actor=view.actor.id))
    view.reload()


def _ask_rotation(view: View, sink: Sink) -> None:
    async def rotate() -> None:
        overlap, actor = managing.OVERLAP_SECONDS, view.actor.id
        _, secret = await view.run(lambda: managing.rotate(view.service.relay, sink.id, overlap, actor=actor))
        hand_over(view, sink.id, secret)

    with view.client:
        confirm(view, TEXT.rotate_title.format(id=sink.id), TEXT.rotate_text, TEXT.rotate, rotate)


def _ask_deletion(view: View, sink: Sink) -> None:
    async def delete() -> None:
        await view.run(lambda: managing.delete(view.service.relay, sink.id, actor=view.actor.id))
        view.service.observed.metrics.forget_sink(sink.id)
        view.reload()

    with view.client:
        confirm(view, TEXT.delete_title.format(id=sink.id), TEXT.delete_text, TEXT.delete, delete)


async def _dead(view: View, sink: Sink) -> None:
    """What a sink was given up for, where there is any."""
    found = await view.run(lambda: view.store.outbox.page(sink.id, DEAD, limit=SHOWN))
    if not found.items:
        return
    heads = TEXT.event, TEXT.bank, TEXT.tries, TEXT.error, ""
    with section(f"{TEXT.dead_events}: {sink.id}", TEXT.dead_hint):
        secondary(
            view, TEXT.resend_all.format(id=sink.id), partial(_resend, view, sink.id, None), role="admin"
        )
        with block("n-table-section"), table(*heads):
            for event in found.items:
                with ui.element("tr").mark(f"event-{event.id}"):
                    text(f"{TEXT.event_kind[event.kind]} {moment(event.queued_at)}", tag="td")
                    text(event.bank, tag="td")
                    text(f"{event.tries}", tag="td")
                    text(event.error or "", "n-caption", "td")
                    with ui.element("td"), block("n-row n-key-actions"):
                        secondary(view, TEXT.show, partial(_show, view, event))
                        again = partial(_resend, view, sink.id, [event.id])
                        secondary(view, TEXT.resend, again, role="admin")


def _show(view: View, event: Outgoing) -> None:
    with view.client, dialog(TEXT.shown_title.format(id=event.id)) as made:
        text(json.dumps(json.loads(event.body), indent=2), "n-envelope", "pre")
        secondary(view, SHELL.close, made.close)


async def _resend(view: View, sink: str, ids: list[str] | None) -> None:
    count = await view.run(lambda: view.store.outbox.resend(sink, ids, actor=view.actor.id))
    view.say(TEXT.resent(count))
    view.reload()
