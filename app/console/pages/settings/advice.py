"""Advice on a bank's settings: asked for, watched, its trials as a table, taken by one button."""

from __future__ import annotations

from typing import Any

from nicegui import ui

from app.console.pages.settings.words import ADVICE as TEXT
from app.console.view import View
from app.console.widgets.blocks import block, section, table, text
from app.console.widgets.controls import primary, secondary, show
from app.console.widgets.job_panel import JobPanel, far
from app.console.words import size
from app.learning import advices, banks
from app.learning.jobs import Look
from app.store.banks import BankChange
from app.store.schema import Bank, Job

LOOK_SECONDS = 1.0
HEADS = (
    TEXT.setting, TEXT.found, TEXT.kinds, TEXT.auroc, TEXT.spread, TEXT.time, TEXT.memory, TEXT.gain,
)  # fmt: skip

Trial = dict[str, Any]


class AdvicePanel(JobPanel[Job]):
    """Shown where it is made."""

    def __init__(self, view: View, bank: Bank) -> None:
        super().__init__(view, bank.id)
        self._revision = bank.revision
        self._change: dict[str, Any] = {}
        with section(TEXT.name, TEXT.hint):
            with block("n-row"):
                self._start = secondary(view, TEXT.start, self._ask, icon="lightbulb", role="admin")
                self._cancel = secondary(view, TEXT.cancel, self._stop, icon="stop", role="admin")
                self._take = primary(view, TEXT.take, self._use, icon="check", role="admin")
            self._state = ui.label().classes("n-caption").props('role="status"')
            self._found = ui.element("div")
        show(self._take, False)
        self.watch(LOOK_SECONDS)

    def _read(self) -> Look[Job]:
        return advices.look(self._view.service.learning, self._bank)

    def _begin(self) -> Job:
        return advices.start(self._view.service.learning, self._bank, self._view.actor.id)

    async def _use(self) -> None:
        """Someone else's change since is told, not overwritten."""
        view, change = self._view, BankChange(config=self._change)
        await banks.update(view.service.learning, self._bank, change, self._revision, view.actor.id)
        view.say(TEXT.taken)
        view.reload()

    def _said(self, look: Look[Job]) -> str:
        return far(look, TEXT)

    async def _draw(self, look: Look[Job]) -> None:
        self._found.clear()
        found: dict[str, Any] = (look.kept.result if look.kept is not None else None) or {}
        self._change = found.get("change", {})
        show(self._take, bool(self._change) and look.current)
        if not found:
            return
        with self._found:
            text(found["advice"], "n-strong", tag="p")
            with table(*HEADS) as body:
                for number, trial in enumerate(found["trials"]):
                    _row(body, trial, number == found["taken"])
            with block("n-says", "ul"):
                for sentence in found["says"]:
                    text(sentence, tag="li")
            _not_tried(found["not_tried"])


def _row(body: ui.element, trial: Trial, taken: bool) -> None:
    kinds = ", ".join(
        TEXT.kind.format(kind=kind, found=each["found"], of=each["of"])
        for kind, each in trial["kinds"].items()
    )
    gain = trial["gain"]
    values = (
        trial["setting"] if trial["change"] else TEXT.as_given,
        TEXT.count.format(found=trial["found"], of=trial["defects"]),
        kinds,
        f"{trial['image_auroc']:.3f}",
        f"{trial['spread']:.3f}",
        TEXT.milliseconds.format(n=f"{trial['ms_per_image']:.0f}"),
        size(1e6 * trial["megabytes"]),
        "" if gain is None else _interval(gain),
    )
    with body, ui.element("tr"):
        for value in values:
            text(value, "n-strong" if taken else "", tag="td")


def _interval(gain: Trial) -> str:
    found, low, high = (f"{100 * gain[name]:+.0f} %" for name in ("found", "found_low", "found_high"))
    return TEXT.interval.format(found=found, low=low, high=high)


def _not_tried(skipped: list[dict[str, str]]) -> None:
    if not skipped:
        return
    with block("n-found", "details"):
        text(TEXT.not_tried(len(skipped)), tag="summary")
        with block("n-says", "ul"):
            for each in skipped:
                text(TEXT.why_not.format(**each), tag="li")
