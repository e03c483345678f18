"""Retention: deletes inspections by decision and age, unless the wall clock cannot be trusted."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import ColumnElement, delete, or_, select

from app.store.blobs import touch
from app.store.database import Database
from app.store.ids import Clock, ClockGuard
from app.store.schema import Decision, Inspection

CHUNK = 500  # rows a transaction deletes at most, so that inspections are not kept waiting


@dataclass(frozen=True)
class Rules:
    """Days inspections stay: by decision, or once reviewed by ``reviewed_days``; 0 is for ever."""

    days: Mapping[Decision, int]
    reviewed_days: int = 0


class Retention:
    """Applies the rules."""

    def __init__(self, database: Database, clock: Clock, rules: Rules) -> None:
        self._database, self._clock, self._rules = database, clock, rules
        self._guard = ClockGuard(clock)

    def sweep(self) -> int:
        """Delete what is past its time; how many. Their images' bytes go with the next collection of blobs.

        Raises ``ClockJumped`` before it deletes anything.
        """
        self._guard.check()
        conditions = self._conditions()
        deleted = 0
        while conditions and (count := self._delete_some(or_(*conditions))):
            deleted += count
        return deleted

    def _conditions(self) -> list[ColumnElement[bool]]:
        """What is past its time, one condition a rule."""
        now, reviewed = self._clock.now(), Inspection.verdict.is_not(None)
        found: list[ColumnElement[bool]] = [
            (Inspection.decision == decision)
            & ~reviewed
            & (Inspection.created_at < now - timedelta(days=days))
            for decision, days in self._rules.days.items()
            if days
        ]
        if self._rules.reviewed_days:
            found.append(reviewed & (Inspection.created_at < now - timedelta(days=self._rules.reviewed_days)))
        return found

    def _delete_some(self, condition: ColumnElement[bool]) -> int:
        some = select(Inspection.id).where(condition).limit(CHUNK)
        with self._database.write() as session:
            gone = delete(Inspection).where(Inspection.id.in_(some)).returning(Inspection.image_sha256)
            images = session.scalars(gone).all()
            touch(session, self._clock, *(sha256 for sha256 in images if sha256))
            return len(images)
