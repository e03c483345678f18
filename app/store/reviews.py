"""Reviews: what people found of inspections; appended under a revision, never changed."""

from __future__ import annotations

from sqlalchemy import func, select

from app.store.clock import Clock
from app.store.database import Database
from app.store.errors import StaleRevision
from app.store.inspections import inspection_found
from app.store.schema import Finding, Inspection, Review


class Reviews:
    """Every method is one transaction, durable once it returns."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database, self._clock = database, clock

    def add(
        self, inspection_id: str, verdict: Finding, *, actor: str, note: str = "", if_match: int | None = None
    ) -> Review:
        """The inspection's next review; ``withdrawn`` leaves it without a verdict.

        ``if_match`` is the latest revision seen, 0 for none.
        Raises ``NotFound``, or ``StaleRevision`` if somebody reviewed it since.
        """
        with self._database.write() as session:
            inspection = session.get(Inspection, inspection_id, with_for_update=True)
            inspection_found(inspection, inspection_id).verdict = None if verdict == "withdrawn" else verdict
            query = select(func.max(Review.revision)).where(Review.inspection_id == inspection_id)
            latest = session.scalar(query) or 0
            _refuse_stale(latest, if_match)
            review = Review(
                inspection_id=inspection_id,
                revision=latest + 1,
                verdict=verdict,
                note=note,
                actor=actor,
                created_at=self._clock.now(),
            )
            session.add(review)
        return review

    def undo(self, inspection_id: str, *, if_match: int, actor: str) -> Review:
        """Back to the review before the one of revision ``if_match``, by a new one; the first is withdrawn.

        Raises ``NotFound``, or ``StaleRevision`` if somebody reviewed it since.
        """
        before = [review for review in self.all(inspection_id) if review.revision < if_match]
        verdict, note = (before[-1].verdict, before[-1].note) if before else ("withdrawn", "")
        return self.add(inspection_id, verdict, actor=actor, note=note, if_match=if_match)

    def all(self, inspection_id: str) -> list[Review]:
        """All reviews of an inspection, oldest first."""
        query = select(Review).where(Review.inspection_id == inspection_id).order_by(Review.revision)
        with self._database.read() as session:
            inspection_found(session.get(Inspection, inspection_id), inspection_id)
            return [*session.scalars(query)]


def _refuse_stale(latest: int, if_match: int | None) -> None:
    if if_match is not None and latest != if_match:
        raise StaleRevision(
            requirement=f"the latest review must still be revision {if_match}",
            received=f"revision {latest}",
            remedy="Read the reviews again, and add yours if it still applies.",
        )
