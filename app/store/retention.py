"""Retention: inspections are deleted once they are past their time, by a clock that is believed, a share at once."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import ColumnElement, delete, func, or_, select

from app.settings import Settings
from app.store.blobs import touch
from app.store.database import Database
from app.store.ids import Clock
from app.store.schema import Decision, Inspection
from app.store.timekeeping import Timekeeper

CHUNK = 500  # rows a transaction deletes at most, so that inspections are not kept waiting
SHARE = 0.1  # of the ledger that one sweep deletes at most


@dataclass(frozen=True)
class Rules:
    """Days inspections stay: by decision, or once reviewed by ``reviewed_days``; 0 is for ever."""

    days: Mapping[Decision, int]
    reviewed_days: int = 0

    @classmethod
    def of(cls, settings: Settings) -> Rules:
        """Those of the settings."""
        days = settings.retain_accept_days, settings.retain_review_days, settings.retain_reject_days
        return cls(
            dict(zip(("accept", "review", "reject"), days, strict=True)), settings.retain_reviewed_days
        )


class Retention:
    """Applies the rules."""

    def __init__(self, database: Database, clock: Clock, time: Timekeeper, rules: Rules) -> None:
        self._database, self._clock, self._time, self._rules = database, clock, time, rules

    def sweep(self) -> int:
        """Delete what is past its time; how many. Their images' bytes go with the next collection of blobs.

        At most ``SHARE`` of all inspections go, the rest of them with the next sweeps. Raises ``ClockJumped`` before it
        deletes anything.
        """
        self._time.look().refuse_jumped()
        conditions = self._conditions()
        room, deleted = self._most() if conditions else 0, 0
        while room > deleted and (count := self._delete_some(or_(*conditions), min(CHUNK, room - deleted))):
            deleted += count
        return deleted

    def _most(self) -> int:
        """How many inspections one sweep may delete."""
        with self._database.read() as session:
            return math.ceil(SHARE * (session.scalar(select(func.count()).select_from(Inspection)) or 0))

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

    def _delete_some(self, condition: ColumnElement[bool], most: int) -> int:
        some = select(Inspection.id).where(condition).limit(most)
        with self._database.write() as session:
            gone = delete(Inspection).where(Inspection.id.in_(some)).returning(Inspection.image_sha256)
            images = session.scalars(gone).all()
            touch(session, self._clock, *(sha256 for sha256 in images if sha256))
            return len(images)
