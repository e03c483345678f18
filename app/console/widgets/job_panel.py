"""A bank's newest job of one kind and what the last one found: started, watched, cancelled."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, Generic, Protocol, TypeVar

from nicegui import ui

from app.console.view import View
from app.console.widgets.controls import show
from app.console.words import moment
from app.learning import jobs
from app.learning.jobs import Look
from app.store.errors import NotFound
from app.store.schema import ACTIVE_STATES, Job, Screening

K = TypeVar("K", Job, Screening)  # what a job left: its own row, or a report


class Words(Protocol):
    """Of a job whose result is kept with it."""

    @property
    def queued(self) -> str: ...
    @property
    def running(self) -> str: ...
    @property
    def failed(self) -> str: ...
    @property
    def cancelled(self) -> str: ...
    @property
    def never(self) -> str: ...
    @property
    def current(self) -> str: ...
    @property
    def stale(self) -> str: ...


def far(look: Look[Job], words: Words) -> str:
    """How far such a job is, or when the last one that left anything ended."""
    job, kept = look.job, look.kept
    if job is not None and job.state in ACTIVE_STATES:
        if job.waits_for:
            return job.waits_for
        said = words.running if job.stage and job.total else words.queued
        return said.format(stage=job.stage, done=f"{job.done:,}", total=f"{job.total:,}")
    if job is not None and job.state == "failed":
        return words.failed.format(why=(job.error or {}).get("detail", ""))
    if kept is None or kept.finished_at is None:
        return words.cancelled if job is not None else words.never
    return (words.current if look.current else words.stale).format(time=moment(kept.finished_at))


class JobPanel(ABC, Generic[K]):
    """Shown where it is made. Subclasses make the buttons ``_start`` and ``_cancel`` and the label ``_state``."""

    _start: Any
    _cancel: Any
    _state: ui.label

    def __init__(self, view: View, bank: str) -> None:
        self._view, self._bank = view, bank
        self._shown: tuple[object, ...] = ()
        self._job: Job | None = None

    def watch(self, seconds: float) -> None:
        """Look at once, and again every ``seconds``, once all is made."""
        self._timer = ui.timer(seconds, self.refresh)

    @abstractmethod
    def _read(self) -> Look[K]:
        """Off the event loop. Raises NotFound once the bank is gone."""

    @abstractmethod
    def _begin(self) -> object:
        """Off the event loop: a new job."""

    @abstractmethod
    def _said(self, look: Look[K]) -> str:
        """How far the job is, or what the last one was about."""

    @abstractmethod
    async def _draw(self, look: Look[K]) -> None:
        """What the last one found."""

    async def refresh(self) -> None:
        """The newest job and what was found, shown anew where they have changed."""
        look = await self._view.attempt(self._look)
        if look is None:
            return
        self._job = job = look.job
        now = (
            job and (job.id, job.state, job.stage, job.done, job.waits_for),
            look.kept and look.kept.id,
            look.current,
        )
        if now == self._shown:
            return
        before, self._shown = self._shown, now
        active = job is not None and job.state in ACTIVE_STATES
        show(self._start, not active)
        show(self._cancel, active)
        self._state.set_text(self._said(look))
        if not before or before[1:] != now[1:]:
            await self._draw(look)

    async def _look(self) -> Look[K]:
        try:
            return await self._view.run(self._read)
        except NotFound:  # the bank is gone
            self._timer.deactivate()
            raise

    async def _ask(self) -> None:
        await self._view.run(self._begin)
        await self.refresh()

    async def _stop(self) -> None:
        view, job = self._view, self._job
        if job is not None:
            await view.run(lambda: jobs.cancel(view.service.learning, job.id, view.actor.id))
        await self.refresh()
