"""A bank's build: what the set supports, start, live progress, cancel, outcome.

It looks at the store, so a page that comes back, and another person's, show the build that runs.
"""

from __future__ import annotations

import math
from datetime import UTC, datetime

from nicegui import ui

from app.console.pages.teach.words import TEACH as TEXT
from app.console.view import View
from app.console.widgets.blocks import block, section
from app.console.widgets.controls import enable, primary, secondary, show
from app.console.words import age, duration, percent
from app.inspection.thresholds import rates
from app.learning import banks
from app.learning import jobs as builds
from app.store.errors import NotFound
from app.store.page import Page
from app.store.schema import ACTIVE_STATES, Bank, Job
from core.judging.calibration import FEW_PARTS, images_needed, supported_rate

LOOK_SECONDS = 0.5
STAGES = tuple(TEXT.stages)


class BuildPanel:
    """Shown where it is made; ``refresh`` after the set has changed."""

    def __init__(self, view: View, bank: str) -> None:
        self._view, self._bank = view, bank
        self._shown: tuple[object, ...] = ()
        self._has_serials = False
        self._offer: tuple[Bank, float] | None = None  # the bank as shown, and the rate that its set supports
        with section(TEXT.build, TEXT.build_hint):
            self._support = ui.label()
            with block("n-row"):
                # made once: a button made anew under the pointer would lose the click
                self._start = primary(view, "", self._build, icon="construction", role="admin")
                self._lower = secondary(view, "", self._take_rate, role="admin")
            self._why = ui.label().classes("n-caption")
            self._activate = ui.checkbox(TEXT.activate, value=True).props("dense")
            self._alone = ui.checkbox(TEXT.alone).props("dense").tooltip(TEXT.alone_hint)
            self._alike = ui.checkbox(TEXT.alike).props("dense").tooltip(TEXT.alike_hint)
            self._progress = ui.element("div")
        self._timer = ui.timer(LOOK_SECONDS, self._look)

    async def refresh(self) -> None:
        """What the set supports now, and the latest build."""
        view = self._view
        bank = await view.run(lambda: view.service.store.banks.get(self._bank))
        images = view.service.store.images
        count = (await view.run(lambda: images.totals(self._bank)))[0]
        self._say_support(bank, count, *await view.run(lambda: images.parts(self._bank)))
        self._shown = ()
        await self._look()

    def _say_support(self, bank: Bank, images: int, marked: int, serials: int) -> None:
        """marked: images that have a serial number; serials: how many different ones."""
        whole = 0 < marked == images
        count = serials if whole else images
        self._has_serials = marked > 0
        target = rates(bank, bank.config["target_false_reject"], None)[0]
        needed = images_needed(target)
        supported = supported_rate(count)
        words = TEXT.support if count else TEXT.support_none
        shown = TEXT.set_count(images)
        if whole:
            shown = TEXT.of_parts.format(images=shown, parts=TEXT.part_count(serials))
        said = {"images": shown, "rate": percent(supported), "target": percent(target)}
        self._support.set_text(words.format(**said))
        self._start.set_text(TEXT.build_now.format(n=bank.last_version + 1))
        rate = math.ceil(supported * 1000) / 1000
        self._offer = bank, rate
        self._lower.set_text(TEXT.use_rate.format(rate=percent(rate)))
        show(self._lower, 2 <= count < needed)
        missing = TEXT.unsupported_parts if whole else TEXT.unsupported
        few = TEXT.support_few_parts if whole else TEXT.support_few
        why = few if count < 2 else missing(needed - count) if count < needed else ""
        without = TEXT.some_without(images - marked) if 0 < marked < images else ""
        said_below = why or without or (TEXT.few if count <= FEW_PARTS else "")
        self._why.set_text(said_below)
        self._why.set_visibility(bool(said_below))
        self._alike.set_visibility(self._has_serials)
        if self._view.may("admin"):
            enable(self._start, not why, why)

    async def _take_rate(self) -> None:
        assert self._offer is not None
        view, (bank, rate) = self._view, self._offer
        await banks.update(
            view.service.learning, bank.id, {"target_false_reject": rate}, bank.revision, view.actor.id
        )
        view.say(TEXT.rate_set.format(rate=percent(rate)))
        await self.refresh()

    async def _build(self) -> None:
        view, activate = self._view, bool(self._activate.value)
        groups = "none" if self._alone.value else "auto" if self._alike.value else None
        await view.run(
            lambda: builds.start(view.service.learning, self._bank, {}, activate, None, view.actor.id, groups)
        )
        await self._look()

    async def _latest(self) -> Page[Job]:
        """The bank's newest job. Once the bank is gone this is said, and nothing is looked at any more."""
        view = self._view
        try:
            await view.run(lambda: view.service.store.banks.get(self._bank))
        except NotFound:
            self._timer.deactivate()
            raise
        return await view.run(lambda: view.service.store.jobs.page(bank=self._bank, kind="build", limit=1))

    async def _cancel(self, job: str) -> None:
        view = self._view
        await view.run(lambda: builds.cancel(view.service.learning, job, view.actor.id))
        await self._look()

    async def _look(self) -> None:
        found = await self._view.attempt(self._latest)
        job = found.items[0] if found is not None and found.items else None
        if job is None:
            return
        now = (job.id, job.state, job.stage, job.done, job.total, job.cancel_requested)
        if now == self._shown:
            return
        ended = bool(self._shown) and self._shown[1] in ACTIVE_STATES and job.state not in ACTIVE_STATES
        self._shown = now
        self._progress.clear()
        with self._progress:
            self._running(job) if job.state in ACTIVE_STATES else self._ended(job)
        if self._view.may("admin"):
            show(self._start, job.state not in ACTIVE_STATES)
            for choice in (self._activate, self._alone):
                choice.set_visibility(job.state not in ACTIVE_STATES)
            self._alike.set_visibility(self._has_serials and job.state not in ACTIVE_STATES)
        if ended:
            await self.refresh()

    def _running(self, job: Job) -> None:
        with block("n-stages", "ol"):
            for stage in STAGES:
                self._stage(stage, job)
        if job.stage is None:
            ui.label(job.waits_for or (TEXT.queued if job.state == "queued" else TEXT.starting)).classes(
                "n-caption"
            ).props('role="status"')
        else:
            self._bar(job)
        if job.cancel_requested:
            ui.label(TEXT.cancelling).classes("n-caption")
        else:
            secondary(self._view, TEXT.cancel, lambda: self._cancel(job.id), icon="stop", role="admin")

    def _stage(self, stage: str, job: Job) -> None:
        at = STAGES.index(job.stage) if job.stage in STAGES else -1
        mine = STAGES.index(stage)
        kind, icon = (
            ("done", "check_circle")
            if mine < at
            else ("now", "pending")
            if mine == at
            else ("", "radio_button_unchecked")
        )
        with ui.element("li").classes(f"n-stage n-stage-{kind}"):
            ui.icon(icon).props('aria-hidden="true"')
            ui.label(TEXT.stages[stage])

    def _bar(self, job: Job) -> None:
        share = job.done / job.total if job.total else 0
        with block("n-progress"):
            ui.element("div").style(f"width: {share * 100:.1f}%")
        said = TEXT.units.get(job.stage or "", "").format(done=f"{job.done:,}", total=f"{job.total:,}")
        left = TEXT.left.format(time=duration(job.seconds_left)) if job.seconds_left else ""
        ui.label(", ".join(part for part in (said, left) if part)).classes("n-caption").props('role="status"')

    def _ended(self, job: Job) -> None:
        if job.state == "succeeded":
            with block("n-outcome n-ink-accept"):
                ui.icon("check_circle")
                ui.label(TEXT.succeeded.format(n=job.version))
            if job.not_activated is not None:
                with block("n-outcome n-ink-reject").props('role="alert"'):
                    ui.icon("warning")
                    ui.label(TEXT.not_activated.format(n=job.version, reason=job.not_activated))
            target = self._view.url("banks", self._bank, "versions", job.version)
            secondary(
                self._view,
                TEXT.see_version.format(n=job.version),
                lambda: self._view.go(target),
                icon="query_stats",
            )
        elif job.state == "failed":
            with block("n-outcome n-ink-reject").props('role="alert"'):
                ui.icon("error")
                ui.label(TEXT.failed)
            ui.label(str((job.error or {}).get("detail", ""))).classes("n-caption")
        else:
            ui.label(TEXT.cancelled).classes("n-caption")
        if job.finished_at is not None and job.started_at is not None:
            took = duration((job.finished_at - job.started_at).total_seconds())
            ui.label(TEXT.finished.format(age=age(job.finished_at, datetime.now(UTC)), time=took)).classes(
                "n-caption"
            )
