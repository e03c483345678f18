"""Whether the machine's clock can be believed: compared with the time last seen, which the database remembers.

A clock that is wrong at the start is no jump to a process that knows no other time. So every server writes down
what it believes the time is, and goes on from there by its monotonic clock. Three marks:

    time.believed   the time as it was last believed; its value names the agreement of an operator it began with
    time.latest     the latest time that any server's clock ever showed: keys expire by it, whatever the clock shows
    time.steady     the time of a clock that is not believed; its value is for how many seconds it has run steadily

A clock that is not believed deletes nothing for its age. It is believed again once it is where it should be, once an
operator agrees, or once it has run steadily for ``STEADY``. The latest time falls only when an operator agrees.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from app.store.audit import record
from app.store.database import Database
from app.store.errors import ClockJumped
from app.store.ids import Clock, new_id
from app.store.marks import forget_mark, mark_of, set_mark
from app.store.schema import Inspection

BELIEVED, LATEST, KEPT_STEADY = "time.believed", "time.latest", "time.steady"
MARKS = (BELIEVED, LATEST, KEPT_STEADY)
TOLERATED = timedelta(hours=1)  # between wall clock and time passed, of a process; backwards always
AWAY = timedelta(days=5)  # that a start may be later than the time last seen: a long weekend
STEADY = timedelta(days=7)  # of running steadily, after which a clock is believed without an operator
NONE = timedelta(0)


@dataclass(frozen=True)
class Standing:
    """What a look found. off: how far the clock is from what is believed, None where it agrees. behind: the latest."""

    off: timedelta | None
    behind: timedelta | None

    def refuse_jumped(self) -> None:
        """Raises ``ClockJumped`` where nothing may be deleted for its age."""
        if self.off is not None:
            where = "ahead of" if self.off > NONE else "behind"
            raise ClockJumped(
                requirement="deleting by age needs a clock that agrees with the time last seen",
                received=f"a clock {_length(self.off)} {where} it",
                remedy="Correct the machine's date. If it is right, run 'nominal store trust-clock'; a clock that "
                f"runs steadily is trusted after {STEADY.days} days.",
            )

    def refuse(self) -> None:
        """``refuse_jumped``, and raises ``ClockJumped`` where keys expire by a later time than the clock shows."""
        self.refuse_jumped()
        if self.behind is not None:
            raise ClockJumped(
                requirement="keys expire by the latest time ever seen",
                received=f"a clock {_length(self.behind)} behind it",
                remedy="Correct the machine's date. If it is right, run 'nominal store trust-clock'.",
            )


class Timekeeper:
    """Looks at the clock for a process. Call ``look`` every minute or so; safe to share between threads."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database, self._clock = database, clock
        self._lock = threading.Lock()
        with database.read() as session:
            self._begin(session)

    def look(self) -> Standing:
        """Compare, and write down what was found."""
        with self._lock, self._database.write() as session:
            believed = mark_of(session, BELIEVED)
            if believed is not None and believed.value != self._agreed:
                self._begin(session)
            return self._compared(session)

    def latest(self, session: Session) -> datetime:
        """The time by which keys expire: now, or the latest time seen where the clock has gone back."""
        seen, now = mark_of(session, LATEST), self._clock.now()
        return now if seen is None else max(now, seen.set_at)

    def trust(self, actor: str) -> datetime:
        """The clock is right, an operator says: believe it, also where keys then expire later. The time."""
        now = self._clock.now()
        with self._lock, self._database.write() as session:
            off = now - self._expected()
            set_mark(session, BELIEVED, new_id(), now)
            set_mark(session, LATEST, "", now)
            forget_mark(session, KEPT_STEADY)
            record(
                session, self._clock, actor, "store.trust_clock", "store", seconds=round(off.total_seconds())
            )
            self._begin(session)
        return now

    def _begin(self, session: Session) -> None:
        """Go on from the time last seen: that of the marks or, where an older release wrote none, of the newest row."""
        believed, now = mark_of(session, BELIEVED), self._clock.now()
        self._agreed = believed.value if believed else ""
        newest = (
            session.scalar(select(func.max(Inspection.created_at))) if believed is None else believed.set_at
        )
        self._time, self._monotonic = newest or now, self._clock.monotonic()
        self._ahead = AWAY

    def _expected(self) -> datetime:
        return self._time + timedelta(seconds=self._clock.monotonic() - self._monotonic)

    def _compared(self, session: Session) -> Standing:
        now, expected = self._clock.now(), self._expected()
        passed, off = expected - self._time, now - expected
        agrees = -TOLERATED <= off <= self._ahead or self._ran_steadily(session, now, passed)
        if agrees:
            forget_mark(session, KEPT_STEADY)
            self._ahead = TOLERATED
        self._time, self._monotonic = (now if agrees else expected), self._clock.monotonic()
        set_mark(session, BELIEVED, self._agreed, self._time)
        latest = self.latest(session)
        set_mark(session, LATEST, "", latest)
        return Standing(None if agrees else off, latest - now if latest - now > TOLERATED else None)

    def _ran_steadily(self, session: Session, now: datetime, passed: timedelta) -> bool:
        """Whether a clock that does not agree has run steadily for long enough; a start in between is no break."""
        mark = mark_of(session, KEPT_STEADY)
        moved = NONE if mark is None else now - mark.set_at
        allowed = AWAY if self._ahead == AWAY else passed + TOLERATED
        steady = -TOLERATED <= moved <= allowed
        seconds = float(mark.value) if mark is not None and steady else 0.0
        seconds += max(NONE, min(moved, passed)).total_seconds() if steady else 0.0
        set_mark(session, KEPT_STEADY, f"{seconds:.0f}", now)
        return seconds >= STEADY.total_seconds()


def _length(time: timedelta) -> str:
    hours = abs(time).total_seconds() / 3600
    return f"{hours / 24:.0f} days" if hours >= 48 else f"{hours:.0f} hours"
