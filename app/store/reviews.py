"""What people found of inspections: revisions that correct each other, and the kind of defect that the latest names."""

from __future__ import annotations

from sqlalchemy import func, select

from app.store.database import Database
from app.store.envelopes import reviewed
from app.store.errors import IllegalValue, StaleRevision
from app.store.ids import Clock, shown
from app.store.inspections import inspection_found
from app.store.outbox import emit
from app.store.schema import Finding, Inspection, Review, Verdict

DEFECTS: tuple[Verdict, ...] = ("confirmed_defect", "missed_defect")
LONGEST_KIND = 64  # characters


class Reviews:
    """Every method is one transaction, durable once it returns."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database, self._clock = database, clock

    def add(
        self,
        inspection_id: str,
        verdict: Finding,
        *,
        actor: str,
        note: str = "",
        kind: str | None = None,
        if_match: int | None = None,
    ) -> Review:
        """The inspection's next review; ``withdrawn`` leaves it without a verdict. ``kind`` names a defect.

        ``if_match`` is the latest revision seen, 0 for none.
        Raises ``NotFound``, ``IllegalValue``, or ``StaleRevision`` if somebody reviewed it since.
        """
        kind = None if kind is None else checked_kind(kind, verdict)
        with self._database.write() as session:
            inspection = inspection_found(
                session.get(Inspection, inspection_id, with_for_update=True), inspection_id
            )
            inspection.verdict, inspection.kind = None if verdict == "withdrawn" else verdict, kind
            query = select(func.max(Review.revision)).where(Review.inspection_id == inspection_id)
            latest = session.scalar(query) or 0
            _refuse_stale(latest, if_match)
            review = Review(
                inspection_id=inspection_id,
                revision=latest + 1,
                verdict=verdict,
                note=note,
                kind=kind,
                actor=actor,
                created_at=self._clock.now(),
            )
            session.add(review)
            emit(session, lambda: reviewed(inspection, review))
        return review

    def undo(self, inspection_id: str, *, if_match: int, actor: str) -> Review:
        """Back to the review before the one of revision ``if_match``, by a new one; the first is withdrawn.

        Raises ``NotFound``, or ``StaleRevision`` if somebody reviewed it since.
        """
        before = [review for review in self.all(inspection_id) if review.revision < if_match]
        if not before:
            return self.add(inspection_id, "withdrawn", actor=actor, if_match=if_match)
        verdict, note, kind = before[-1].verdict, before[-1].note, before[-1].kind
        return self.add(inspection_id, verdict, actor=actor, note=note, kind=kind, if_match=if_match)

    def all(self, inspection_id: str) -> list[Review]:
        """All reviews of an inspection, oldest first."""
        query = select(Review).where(Review.inspection_id == inspection_id).order_by(Review.revision)
        with self._database.read() as session:
            inspection_found(session.get(Inspection, inspection_id), inspection_id)
            return [*session.scalars(query)]


def checked_kind(text: str, verdict: Finding = "confirmed_defect") -> str:
    """The kind without the spaces around it. Raises ``IllegalValue`` for what is not one, or with another verdict."""
    kind = text.strip()
    if verdict not in DEFECTS:
        raise IllegalValue(
            f"a kind needs a verdict that names a defect: {' or '.join(DEFECTS)}",
            f"{shown(kind)} with {verdict}",
            "Leave the kind out, or correct the verdict.",
        )
    if 1 <= len(kind) <= LONGEST_KIND and kind.isprintable():
        return kind
    raise IllegalValue(
        f"a kind must be 1 to {LONGEST_KIND} printable characters on one line",
        shown(text),
        "Send a short name, such as scratch.",
    )


def _refuse_stale(latest: int, if_match: int | None) -> None:
    if if_match is not None and latest != if_match:
        raise StaleRevision(
            requirement=f"the latest review must still be revision {if_match}",
            received=f"revision {latest}",
            remedy="Read the reviews again, and add yours if it still applies.",
        )
