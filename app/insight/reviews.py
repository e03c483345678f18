"""Reviews: what people found of inspections; and the false alarms that a bank learns from."""

from __future__ import annotations

from app.lifecycle.service import Service
from app.store.images import Added
from app.store.schema import Finding, Review


def add(
    service: Service, inspection: str, verdict: Finding, note: str, if_match: int | None, actor: str
) -> Review:
    """The inspection's next review. Raises NotFound, StaleRevision where somebody reviewed it since."""
    return service.store.reviews.add(inspection, verdict, actor=actor, note=note, if_match=if_match)


def undo(service: Service, inspection: str, if_match: int, actor: str) -> Review:
    """Back to the review before the one of revision ``if_match``, by a new one; the first is withdrawn.

    Raises NotFound, StaleRevision where somebody reviewed it since.
    """
    before = [review for review in all(service, inspection) if review.revision < if_match]
    verdict, note = (before[-1].verdict, before[-1].note) if before else ("withdrawn", "")
    return add(service, inspection, verdict, note, if_match, actor)


def all(service: Service, inspection: str) -> list[Review]:
    """Oldest first. Raises NotFound."""
    return service.store.reviews.all(inspection)


def teach(service: Service, inspection: str, actor: str) -> Added:
    """A false alarm's image joins the nominal set of its bank. Raises NotFound, NotAFalseAlarm, ImageNotKept."""
    return service.store.images.add_false_alarm(inspection, actor=actor)
