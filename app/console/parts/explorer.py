"""What the threshold explorer holds: the version, what was tried last, what that would do; whoever shows it is told."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

from app.console.view import View
from app.insight import exploring
from app.insight.exploring import Exploration, Subject
from app.store.schema import Inspection
from core.errors import CoreError
from core.judging.calibration import Thresholds

Mode = Literal["score", "rate"]
Given = dict[str, float | None]
PAGE = 12  # flips shown at a time


@dataclass(eq=False)
class Explorer:
    """``found`` is of the latest thresholds that hold; ``fault`` says what is wrong with the latest tried."""

    view: View
    subject: Subject
    given: Given
    found: Exploration
    fault: str | None = None
    listeners: list[Callable[[], None]] = field(default_factory=list)
    _wanted: Given | None = None
    _busy: bool = False

    @property
    def changed(self) -> bool:
        """Whether there is anything to save."""
        if self.mode == "score":
            return self.found.thresholds != self.found.present
        return any(getattr(self.subject.bank, name) != value for name, value in self.given.items())

    @property
    def mode(self) -> Mode:
        """How the latest thresholds are given."""
        return "rate" if "target_false_reject" in self.given else "score"

    async def attempt(self, given: Given) -> None:
        """Explore; of what is asked for while one is under way only the last counts."""
        self._wanted = given
        if self._busy:
            return
        self._busy = True
        try:
            while self._wanted is not None:
                given, self._wanted = self._wanted, None
                await self._explore(given)
        finally:
            self._busy = False

    async def _explore(self, given: Given) -> None:
        try:
            self.found = await self.view.run(lambda: exploring.explore(self.subject, given))
            self.given, self.fault = given, None
        except CoreError as error:
            self.fault = str(error)
        for listener in self.listeners:
            listener()

    async def flips(self, before: str | None = None) -> tuple[list[exploring.Flip], dict[str, Inspection]]:
        """The next of what would be decided otherwise, and their rows."""
        thresholds, subject, view = self.found.thresholds, self.subject, self.view
        found = await view.run(lambda: exploring.flips(subject, thresholds, before, PAGE + 1))
        rows = await view.run(lambda: exploring.rows_of(view.service.inspecting, found[:PAGE]))
        return found, rows


async def open_explorer(view: View) -> Explorer:
    """Of the bank's active version, at the thresholds in use. Raises BankWithoutVersion, StoreError, BankError."""
    assert view.bank is not None
    id = view.bank.id
    subject = await view.run(lambda: exploring.subject(view.service.inspecting, id))
    start = exploring.in_use(subject) or _highest(subject)
    given: Given = {"review_threshold": start.review, "reject_threshold": start.reject}
    return Explorer(view, subject, given, await view.run(lambda: exploring.explore(subject, given)))


def _highest(subject: Subject) -> Thresholds:
    """Where to begin if the version does not support the bank's rates."""
    highest = float(subject.record.calibration_scores.max())
    return Thresholds(highest, highest)
