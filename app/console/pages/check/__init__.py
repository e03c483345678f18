"""Check: labelled images in, and what a version finds and misses of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from urllib.parse import quote, urlencode

from nicegui import ui

from app.console.pages.check import figures
from app.console.pages.check.gallery import Gallery
from app.console.pages.check.words import CHECK as TEXT
from app.console.view import View, page
from app.console.widgets.blocks import block, empty_state, page_header, row, section
from app.console.widgets.controls import confirm, form, primary, secondary
from app.console.widgets.controls import show as shown
from app.console.widgets.uploader import Uploader
from app.imaging.datasets import GOOD
from app.insight import checks as insight
from app.insight.checks import Tried
from app.learning import checks, jobs
from app.store.checks import CheckTotals
from app.store.ids import check_slug
from app.store.reviews import LONGEST_KIND
from app.store.schema import ACTIVE_STATES, Job, Version

FIELD = "outlined dense options-dense"
LOOK_SECONDS = 2.0


@page("/banks/{bank}/check", TEXT.name, icon="fact_check", order=58)
async def show(view: View) -> None:
    """The address names the set and the version: ``?set=line&version=3``."""
    view.use("inspection.css", "viewer.js")
    bank = view.own_bank
    sets = await view.run(lambda: view.store.checks.all(bank.id))
    versions = await view.run(lambda: view.store.versions.all(bank.id))
    chosen = view.query("set") or (sets[0].name if sets else TEXT.first)
    page_header(TEXT.name, TEXT.lead.format(bank=bank.title))
    await Checking(view, check_slug(chosen), sets, versions).open()


class Checking:
    """One check set: its images, the version that is tried, the result."""

    def __init__(
        self, view: View, name: str, sets: Sequence[CheckTotals], versions: Sequence[Version]
    ) -> None:
        self._view, self._name, self._bank = view, name, view.own_bank.id
        self._names = sorted({name, *(each.name for each in sets)})
        self._versions = [each.number for each in versions]
        asked = view.query("version") or ""
        newest = self._versions[0] if self._versions else None
        self._version = int(asked) if asked.isdecimal() and int(asked) in self._versions else newest
        self._job: Job | None = None
        self._now: object = None

    async def open(self) -> None:
        """The page, looked at anew while a check goes on."""
        with section(TEXT.add, TEXT.add_hint):
            self._files()
            with row():
                self._totals = ui.label()
                self._delete = secondary(
                    self._view, TEXT.delete, self._ask_delete, icon="delete", role="admin"
                )
        with section(TEXT.try_it):
            self._controls()
            self._state = ui.label().classes("n-caption").props('role="status"')
            self._result = ui.element("div")
        self._below = ui.element("div")
        await self.refresh()
        ui.timer(LOOK_SECONDS, self._view.handler(self.refresh), immediate=False)

    async def refresh(self) -> None:
        """Anew where something has changed."""
        view, learning = self._view, self._view.service.learning
        sets = await view.run(lambda: view.store.checks.all(self._bank))
        totals = next((each for each in sets if each.name == self._name), None)
        self._job = job = await view.run(lambda: checks.newest_job(learning, self._bank, self._name))
        active = job is not None and job.state in ACTIVE_STATES
        self._totals.text = _said(totals)
        self._state.text = _stage(job)
        shown(self._delete, totals is not None)
        shown(self._run, totals is not None and totals.images > 0 and bool(self._versions) and not active)
        shown(self._stop, active)
        now = totals, job and (job.id, job.state)
        if now != self._now:
            self._now = now
            await self._draw(totals)

    def _files(self) -> None:
        """The set, what the files show, and where they are dropped."""
        at = self._view.url("v1", "banks", self._bank, "checks", self._name, "images")
        with block("n-compare-choice n-after"):
            chosen: Any = ui.select(self._names, label=TEXT.set, value=self._name).props(FIELD)
            chosen.on_value_change(lambda: self._go(set=chosen.value))
            label: Any = ui.select(dict(TEXT.labels), label=TEXT.label, value="folders").props(FIELD)
            kind = ui.input(TEXT.kind, value=TEXT.usual).props(f"outlined dense maxlength={LONGEST_KIND}")
            with row():
                secondary(self._view, TEXT.new, self._begin, icon="add", role="admin")
        uploader = Uploader(self._view, at, TEXT.formats["folders"])
        kind.set_visibility(False)

        def changed() -> None:
            kind.set_visibility(label.value == "defect")
            said = {"good": "good", "defect": (kind.value or "").strip() or TEXT.usual}.get(label.value)
            uploader.send_to(
                at if said is None else f"{at}?kind={quote(said, safe='')}", TEXT.formats[label.value]
            )

        label.on_value_change(changed)
        kind.on_value_change(changed)
        for event in ("taken", "done"):
            uploader.on(event, self._view.handler(self.refresh), throttle=2.0)

    def _controls(self) -> None:
        active = self._view.own_bank.active_version
        names = {n: TEXT.active.format(n=n) if n == active else str(n) for n in self._versions}
        with block("n-compare-choice"):
            if self._versions:
                chosen: Any = ui.select(names, label=TEXT.version, value=self._version).props(FIELD)
                chosen.on_value_change(lambda: self._go(set=self._name, version=chosen.value))
            with row():
                self._run = primary(self._view, TEXT.run, self._start, icon="fact_check", role="admin")
                self._stop = secondary(self._view, TEXT.cancel, self._cancel, icon="stop", role="admin")

    async def _draw(self, totals: CheckTotals | None) -> None:
        tried = await self._tried() if totals is not None else []
        self._result.clear()
        self._below.clear()
        mine = next((each for each in tried if each.version == self._version), None)
        with self._result:
            if mine is not None:
                figures.result(mine)
            else:
                self._nothing(totals)
        with self._below:
            if mine is not None and mine.images:
                with section(TEXT.pictures):
                    Gallery(self._view, self._name, mine, self.refresh)
            if tried:
                figures.versions(self._view, tried)

    async def _tried(self) -> list[Tried]:
        """The newest versions, and the one that was chosen."""
        inspecting, bank = self._view.service.inspecting, self._bank
        return await self._view.run(lambda: insight.tried(inspecting, bank, self._name, self._version))

    def _nothing(self, totals: CheckTotals | None) -> None:
        if totals is None or not totals.images:
            empty_state("fact_check", TEXT.none, TEXT.none_hint)
        elif self._version is None:
            empty_state("school", TEXT.no_version, TEXT.no_version_hint)
        else:
            empty_state("fact_check", TEXT.untried.format(n=self._version), TEXT.untried_hint)

    async def _start(self) -> None:
        view, version = self._view, self._version
        await view.run(
            lambda: checks.start(view.service.learning, self._bank, self._name, version, view.actor.id)
        )
        await self.refresh()

    async def _cancel(self) -> None:
        view, job = self._view, self._job
        if job is not None:
            await view.run(lambda: jobs.cancel(view.service.learning, job.id, view.actor.id))
        await self.refresh()

    def _begin(self) -> None:
        with form(self._view, TEXT.new_title, TEXT.new_word, lambda: self._go(set=check_slug(name.value))):
            name = ui.input(TEXT.new_name).props("outlined dense autofocus maxlength=63")

    def _ask_delete(self) -> None:
        said = TEXT.delete_text.format(name=self._name, images=self._totals.text)
        confirm(self._view, TEXT.delete_title, said, TEXT.delete, self._remove)

    async def _remove(self) -> None:
        view = self._view
        await view.run(lambda: view.store.checks.remove(self._bank, self._name, actor=view.actor.id))
        self._view.go(view.url("banks", self._bank, "check"))

    def _go(self, **query: object) -> None:
        self._view.go(f"{self._view.url('banks', self._bank, 'check')}?{urlencode(query)}")


def _said(totals: CheckTotals | None) -> str:
    if totals is None or not totals.images:
        return TEXT.empty
    kinds = sorted(totals.kinds.items(), key=lambda each: (each[0] != GOOD, each[0]))
    said = TEXT.comma.join(TEXT.of_kind.format(n=f"{count:,}", kind=kind) for kind, count in kinds)
    return TEXT.totals.format(images=TEXT.images(totals.images), kinds=said)


def _stage(job: Job | None) -> str:
    """How far the newest check is, or why it failed."""
    if job is not None and job.state in ACTIVE_STATES:
        words = TEXT.stages.get(job.stage or "", TEXT.queued)
        return words.format(done=f"{job.done:,}", total=f"{job.total:,}")
    if job is not None and job.state == "failed":
        return TEXT.failed.format(why=(job.error or {}).get("detail", ""))
    return ""
