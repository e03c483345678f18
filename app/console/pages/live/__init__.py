"""Live: the cameras and how they are, and each bank's last parts; it follows the line without being loaded again."""

from __future__ import annotations

from functools import partial

from nicegui import ui

from app.console.pages.live.words import LIVE as TEXT
from app.console.view import View, page
from app.console.widgets.answer import name_of
from app.console.widgets.blocks import (
    badge,
    block,
    decision_icon,
    empty_state,
    page_header,
    section,
    table,
    text,
)
from app.console.widgets.controls import secondary
from app.console.widgets.viewer import thumbnail
from app.console.words import WORDS, moment, score
from app.sources.camera import CameraState
from app.store.inspections import Filter
from app.store.schema import Bank, Inspection

LOOK_SECONDS = 2.0
BANKS, PARTS = 12, 8  # shown at once, those with the newest parts first; of each bank

Last = list[tuple[Bank, list[Inspection]]]


@page("/live", TEXT.name, icon="sensors", order=15)
async def show(view: View) -> None:
    """The page; looked at anew while it is open."""
    view.use("inspection.css")
    page_header(TEXT.name, TEXT.lead)
    await Line(view).open()


class Line:
    """Drawn anew only where something has changed."""

    def __init__(self, view: View) -> None:
        self._view = view
        self._cameras, self._parts = block("n-live"), block("n-live")
        self._shown: tuple[object, object] = (None, None)

    async def open(self) -> None:
        """Shown, and then followed."""
        await self._look()
        ui.timer(LOOK_SECONDS, self._view.handler(self._look), immediate=False)

    async def _look(self) -> None:
        view = self._view
        cameras = [each for each in view.service.sources.camera_states() if _sees(view, each)]
        last = await view.run(partial(_last_of, view, view.banks))
        now = cameras, [(bank.id, [row.id for row in rows]) for bank, rows in last]
        if now[0] != self._shown[0]:
            self._cameras.clear()
            with self._cameras:
                _camera_table(view, cameras)
        if now[1] != self._shown[1]:
            self._parts.clear()
            with self._parts:
                _banks(view, last)
        self._shown = now


def _sees(view: View, camera: CameraState) -> bool:
    scope = view.actor.scope
    station = scope.stations is None or camera.station in scope.stations
    return station and (scope.banks is None or camera.bank in scope.banks)


def _last_of(view: View, banks: list[Bank]) -> Last:
    stations = view.actor.scope.stations
    found = [
        (bank, view.store.inspections.page(Filter(bank=bank.id, stations=stations), limit=PARTS).items)
        for bank in banks
    ]
    return sorted(found, key=lambda pair: pair[1][0].id if pair[1] else "", reverse=True)


def _camera_table(view: View, cameras: list[CameraState]) -> None:
    if not cameras:
        return
    heads = TEXT.camera, TEXT.bank, TEXT.state, TEXT.inspected, ""
    with section(TEXT.sources), block("n-table-section"), table(*heads):
        for each in cameras:
            with ui.element("tr").mark(f"camera-{each.source}"):
                with ui.element("td"):
                    ui.label(each.source).classes("n-strong")
                    ui.label(f"{each.place}, {_pace(each)}").classes("n-caption")
                text(each.bank if each.station is None else f"{each.bank}, {each.station}", tag="td")
                with ui.element("td"):
                    _state(each)
                text(f"{each.inspected:,}", tag="td")
                with ui.element("td"):
                    secondary(view, TEXT.trigger, partial(_trigger, view, each.source), role="inspect")


def _pace(camera: CameraState) -> str:
    seconds = camera.interval_seconds
    return TEXT.by_trigger if seconds is None else TEXT.interval.format(seconds=f"{seconds:g}")


def _state(camera: CameraState) -> None:
    if camera.fault is None:
        badge(TEXT.well, "check_circle", "accept")
    else:
        badge(TEXT.fails, "error", "reject")
        ui.label(camera.fault).classes("n-caption")


async def _trigger(view: View, name: str) -> None:
    row = (await view.service.sources.camera(name).take()).row
    view.say(TEXT.taken.format(name=name, decision=WORDS.decisions[row.decision], score=score(row.score)))


def _banks(view: View, last: Last) -> None:
    if not any(rows for _, rows in last):
        empty_state("sensors", TEXT.none, TEXT.none_hint)
        return
    for bank, rows in last[:BANKS]:
        stations = sorted({row.station for row in rows if row.station is not None})
        said = TEXT.at_stations.format(stations=", ".join(stations)) if stations else ""
        with section(TEXT.last.format(bank=bank.title or bank.id), said).mark(f"last-{bank.id}"):
            if not rows:
                ui.label(TEXT.none_of_bank).classes("n-caption")
            with block("n-last", "ul"):
                for row in rows:
                    _part(view, row)
    if len(last) > BANKS:
        ui.label(TEXT.more_banks(len(last) - BANKS)).classes("n-caption")


def _part(view: View, row: Inspection) -> None:
    said = f"{WORDS.decisions[row.decision]} {score(row.score)} {name_of(row)}"
    with (
        ui.element("li"),
        block("n-last-part", "a", href=view.url("inspections", row.id), title=moment(row.created_at)),
    ):
        thumbnail(view, row, opens=False)
        with block(f"n-result-line n-ink-{row.decision}", aria_label=said):
            decision_icon(row.decision)
            ui.label(score(row.score))
        ui.label(name_of(row)).classes("n-result-name")
