"""The outbox: events written in the transaction of what they tell of, one row a sink that wants them.

(Transactional outbox; Richardson, Microservices Patterns, 2018, 3.3.) A transaction asks one mark whether the sinks
have changed since they were read: what a sink wants is the same on every server, and a store without sinks pays for
that question only. ``seq`` rises in the order in which transactions write; a sink gets a bank's events in it.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, delete, func, select, update
from sqlalchemy.orm import Session

from app.store.audit import record
from app.store.columns import Insertion
from app.store.database import AT_END, Ask, Database, present
from app.store.envelopes import Happening, decided
from app.store.errors import IllegalValue, LeaseLost
from app.store.ids import Clock, shown
from app.store.page import Page, page_of
from app.store.schema import EventState, Inspection, Outgoing, Sink
from app.store.timekeeping import Timekeeper
from app.store.wishes import Wishes

COLUMNS = ("sink", "id", "bank", "kind", "body", "queued_at", "state", "tries")
CHUNK = 500  # rows a sweep deletes at once
LONGEST_ERROR = 4000


class Refused(NamedTuple):
    """An event that its sink would not have: why, and whether it is given up."""

    seq: int
    error: str
    dead: bool


@dataclass(frozen=True)
class Depth:
    """Of a sink's events: how many wait, since when the oldest does, how many are dead."""

    waiting: int = 0
    oldest: datetime | None = None
    dead: int = 0


class Outbox:
    """Every method but ``note`` is one transaction, durable once it returns. Safe to share between threads."""

    def __init__(self, database: Database, clock: Clock, time: Timekeeper, retain_days: int) -> None:
        """retain_days: delivered events are kept so long; 0 is for ever."""
        self._database, self._clock, self._time, self._retain = database, clock, time, retain_days
        insert = database.insert(Outgoing).on_conflict_do_nothing(index_elements=["sink", "id"])
        self._statement, self._insertion = insert, database.insertion(insert, COLUMNS)
        self._wishes = Wishes()
        self.heard: list[Callable[[Collection[str]], None]] = []
        """Are told, on the thread that wrote, of which sinks events became durable; must return at once."""

    # Written in the transaction of what happened

    def note(self, session: Session, event: Happening) -> None:
        """Write an event into the transaction of ``session``, for the sinks that want it."""
        connection = session.connection()
        rows = self._rows(lambda sql: connection.exec_driver_sql(sql).fetchall(), [event])
        if rows:
            session.execute(self._statement, rows)
            session.info.setdefault(AT_END, []).append(lambda: lambda: self._tell(rows))

    def of_inspections(
        self, inspections: Sequence[Inspection], ask: Ask
    ) -> tuple[Insertion, Sequence[Mapping[str, Any]], Callable[[], None]] | None:
        """The same of recorded inspections, as ``Database.append`` takes it."""
        if not self._wishes.now(ask):
            return None
        rows = self._rows(ask, map(decided, inspections))
        return (self._insertion, rows, lambda: self._tell(rows)) if rows else None

    def _rows(self, ask: Ask, events: Iterable[Happening]) -> list[dict[str, Any]]:
        if not (wishes := self._wishes.now(ask)):
            return []
        now, rows = self._clock.now(), []
        for event in events:
            takers = [wish.sink for wish in wishes if wish.takes(event)]
            body = event.body() if takers else ""
            of = {"id": event.id, "bank": event.bank, "kind": event.kind, "body": body, "queued_at": now}
            rows += [{"sink": sink, "state": "waiting", "tries": 0, **of} for sink in takers]
        return rows

    def _tell(self, rows: Sequence[Mapping[str, Any]]) -> None:
        sinks = {row["sink"] for row in rows}
        for hears in self.heard:
            hears(sinks)

    # Delivered by a relay

    def window(self, sink: str, limit: int, held: Collection[str] = ()) -> list[Outgoing]:
        """The events that wait longest, in order; none of the banks that are ``held``."""
        query = select(Outgoing).where(Outgoing.sink == sink, Outgoing.state == "waiting")
        if held:
            query = query.where(Outgoing.bank.not_in(held))
        with self._database.read() as session:
            return [*session.scalars(query.order_by(Outgoing.seq).limit(limit))]

    def settle(
        self,
        sink: str,
        token: int,
        delivered: Sequence[int] = (),
        refused: Sequence[Refused] = (),
        error: str | None = None,
    ) -> None:
        """What became of a window; ``error`` is the sink's own. Raises ``LeaseLost`` where another relay has it."""
        now = self._clock.now()
        with self._database.write() as session:
            row = _held(session, sink, token)
            _set(session, delivered, state="delivered", settled_at=now, error=None)
            for each in refused:
                values = {"tries": Outgoing.tries + 1, "error": _plain(each.error)}
                _set(
                    session,
                    [each.seq],
                    **values,
                    **({"state": "dead", "settled_at": now} if each.dead else {}),
                )
            if delivered:
                row.delivered, row.delivered_at = row.delivered + len(delivered), now
                row.error = row.error_at = None
            said = error or (refused[-1].error if refused else None)
            if said is not None:
                row.error, row.error_at = _plain(said), now

    def opened(self, sink: str, token: int) -> None:
        """What was wrong with the sink is over, though nothing was delivered yet."""
        with self._database.write() as session:
            row = _held(session, sink, token)
            row.error = row.error_at = None

    def give_up(self, sink: str, token: int, days: float) -> int:
        """Give up what has waited for so many days; how much. Nothing while the clock is not believed."""
        if self._time.look().off is not None:
            return 0
        before, error = self._clock.now() - timedelta(days=days), f"it waited for {days:g} days"
        late = Outgoing.sink == sink, Outgoing.state == "waiting", Outgoing.queued_at < before
        query = update(Outgoing).where(*late)
        with self._database.read() as session:
            if session.scalar(select(Outgoing.seq).where(*late).limit(1)) is None:
                return 0
        with self._database.write() as session:
            _held(session, sink, token)
            said = query.values(state="dead", error=error, settled_at=self._clock.now())
            return len(session.scalars(said.returning(Outgoing.seq)).all())

    # Looked at and resent by people

    def page(
        self, sink: str, state: EventState | None = None, *, before: str | None = None, limit: int = 100
    ) -> Page[Outgoing]:
        """A sink's events, newest first; ``before`` is the cursor of the page before."""
        query = select(Outgoing).where(Outgoing.sink == sink).order_by(Outgoing.seq.desc())
        if state is not None:
            query = query.where(Outgoing.state == state)
        if before is not None:
            query = query.where(Outgoing.seq < _cursor(before))
        with self._database.read() as session:
            sink_found(session.get(Sink, sink), sink)
        return page_of(self._database, query, limit, lambda row: str(row.seq))

    def resend(self, sink: str, ids: Collection[str] | None, *, actor: str) -> int:
        """Have dead events wait again, all of them or those of these ids; how many. Raises ``NotFound``."""
        query = update(Outgoing).where(Outgoing.sink == sink, Outgoing.state == "dead")
        if ids is not None:
            query = query.where(Outgoing.id.in_(ids))
        new = {"state": "waiting", "tries": 0, "error": None, "settled_at": None}
        with self._database.write() as session:
            sink_found(session.get(Sink, sink), sink)
            said = query.values(**new, queued_at=self._clock.now()).returning(Outgoing.id)
            found = session.scalars(said).all()
            if missing := sorted(set(ids or ()) - {*found}):
                present(
                    None,
                    f"the sink {sink} must have a dead event of this id",
                    shown(missing[0]),
                    "List its dead events.",
                )
            record(session, self._clock, actor, "sink.resend", f"sink:{sink}", events=len(found))
        self._tell([{"sink": sink}])
        return len(found)

    def depths(self) -> dict[str, Depth]:
        """Of every sink that has events waiting or dead."""
        query = (
            select(Outgoing.sink, Outgoing.state, func.count(), func.min(Outgoing.queued_at))
            .where(Outgoing.state != "delivered")
            .group_by(Outgoing.sink, Outgoing.state)
        )
        found: dict[str, dict[str, Any]] = {}
        with self._database.read() as session:
            for sink, state, count, oldest in session.execute(query):
                new = {"dead": count} if state == "dead" else {"waiting": count, "oldest": oldest}
                found.setdefault(sink, {}).update(new)
        return {sink: Depth(**values) for sink, values in found.items()}

    def sweep(self) -> int:
        """Delete delivered events past their time, and what is left of deleted sinks; how many."""
        gone: ColumnElement[bool] = Outgoing.sink.not_in(select(Sink.id))
        if self._retain and self._time.look().off is None:
            before = self._clock.now() - timedelta(days=self._retain)
            gone |= (Outgoing.state == "delivered") & (Outgoing.settled_at < before)
        some, deleted = select(Outgoing.seq).where(gone).limit(CHUNK), 0
        while True:
            with self._database.write() as session:
                seqs = session.scalars(delete(Outgoing).where(Outgoing.seq.in_(some)).returning(Outgoing.seq))
                count = len(seqs.all())
            deleted += count
            if count < CHUNK:
                return deleted


def emit(session: Session, event: Callable[[], Happening]) -> None:
    """Note an event in the transaction of ``session``, where the store has an outbox (``Outbox.note``)."""
    database: Database = session.info["database"]
    if database.outbox is not None:
        database.outbox.note(session, event())


def sink_found(sink: Sink | None, id: str) -> Sink:
    """``sink``, unless there is none."""
    return present(sink, "the sink must exist", shown(id), "List the sinks, or create it.")


def _held(session: Session, sink: str, token: int) -> Sink:
    row = session.get(Sink, sink, with_for_update=True)
    if row is None or row.token != token:
        raise LeaseLost(
            requirement="only the relay that holds a sink may settle its events",
            received=f"token {token} for the sink {sink}, which has moved on",
            remedy="Drop the work: another relay has the sink, or it is gone.",
        )
    return row


def _set(session: Session, seqs: Sequence[int], **values: Any) -> None:
    if seqs:
        session.execute(update(Outgoing).where(Outgoing.seq.in_(seqs)).values(**values))


def _plain(error: str) -> str:
    """An error may quote anything that the other side said."""
    return "".join(c if c.isprintable() else "?" for c in error[:LONGEST_ERROR])


def _cursor(text: str) -> int:
    if text.isdecimal() and len(text) < 19:
        return int(text)
    raise IllegalValue("a cursor must be the next of the page before", shown(text), "Ask for the first page.")
