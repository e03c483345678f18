"""What a person does with an inspection: judge it, teach its image, take that back; told to nobody twice."""

from __future__ import annotations

from dataclasses import dataclass, replace

from app.console.parts.answer import name_of
from app.console.text.review import REVIEW as TEXT
from app.console.view import View
from app.store.errors import NotFound
from app.store.schema import Inspection, Verdict


@dataclass(frozen=True)
class Act:
    """A review that was written, and the image it brought into the nominal set, if it did."""

    row: Inspection
    revision: int
    taught: str | None
    said: str


class Reviewer:
    """The acts of one look at a page, the last of them first to be undone."""

    def __init__(self, view: View) -> None:
        self._view = view
        self._acts: list[Act] = []

    @property
    def may_undo(self) -> bool:
        """Whether anything was done here."""
        return bool(self._acts)

    async def revision(self, row: Inspection) -> int:
        """Of its latest review; 0 for none. Raises NotFound."""
        found = await self._view.run(lambda: self._view.service.store.reviews.all(row.id))
        return found[-1].revision if found else 0

    async def judge(
        self, row: Inspection, seen: int, *, good: bool, teach: bool = False, note: str = ""
    ) -> Act:
        """Write the verdict down over revision ``seen``. Raises NotFound, StaleRevision, ImageNotKept."""
        view, verdict = self._view, verdict_of(row, good)
        review = await view.run(
            lambda: view.service.store.reviews.add(
                row.id, verdict, note=note, if_match=seen, actor=view.actor.id
            )
        )
        act = Act(row, review.revision, None, _said(row, verdict))
        self._acts.append(act)
        if teach:
            added = await view.run(
                lambda: view.service.store.images.add_false_alarm(row.id, actor=view.actor.id)
            )
            fresh = added == "accepted"
            taught = row.image_sha256 if fresh else None
            act = replace(act, taught=taught, said=_said(row, "taught" if fresh else "duplicate"))
            self._acts[-1] = act
        return act

    async def undo(self) -> Act | None:
        """The last act taken back: the review before it counts again. Raises NotFound, StaleRevision."""
        if not self._acts:
            return None
        view, act = self._view, self._acts.pop()
        await view.run(
            lambda: view.service.store.reviews.undo(act.row.id, if_match=act.revision, actor=view.actor.id)
        )
        if act.taught is not None:
            await view.run(lambda: self._forget(act.row.bank, str(act.taught)))
        return act

    def _forget(self, bank: str, sha256: str) -> None:
        try:
            self._view.service.store.images.remove(bank, sha256, actor=self._view.actor.id)
        except NotFound:
            return  # somebody removed it since


def _said(row: Inspection, what: str) -> str:
    return TEXT.done[what].format(part=name_of(row))


def verdict_of(row: Inspection, good: bool) -> Verdict:
    """What a person's word means for this decision."""
    if good:
        return "false_alarm"
    return "missed_defect" if row.decision == "accept" else "confirmed_defect"


def why_not_taught(view: View, row: Inspection) -> str | None:
    """Why its image cannot join the nominal set; None where it can."""
    if row.image_sha256 is None:
        return TEXT.not_kept.format(keep=view.service.settings.image_keep)
    return view.why_not("admin")
