"""One sink's events on their way: in order for each bank, again until they are acknowledged, given up at last.

A window is the events that wait longest. Those of one bank go one after the other, those of several banks side by side;
what became of all is written down in one transaction. A sink that cannot be reached is tried again after a pause that
doubles up to ``LONGEST_PAUSE`` (exponential backoff with jitter; Brooker, AWS Architecture Blog, 2015); so is a bank
whose event was refused, while the others go on. Pauses are by the monotonic clock: no jump of the wall clock holds
events back.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from functools import partial
from itertools import groupby
from typing import Protocol, TypeVar

from app.errors import AppError, EventHeld, EventRefused, SinkFailed, SinkUnreachable
from app.events import Event, Sink
from app.events.pauses import Outcome, Pauses
from app.store.errors import LeaseLost
from app.store.outbox import Outbox, Refused
from app.store.schema import Outgoing

WINDOW = 64  # events read at once
LANES = 8  # banks whose events are on their way at once
WINDOW_SECONDS = (
    1.0  # after which no other send of a window begins, so that little is sent again after a crash
)
POLL_SECONDS = 0.25  # in which events of other processes are seen; those of this one wake the courier
OPEN_SECONDS = 45.0  # that a sample waits for a sink that is being opened
HANG_SECONDS = 90.0  # after which a sink that neither answers nor fails is closed
HELD_SECONDS = 0.1  # after which a bank that the other side is not done with is asked again
HELD_NOTED_SECONDS = 10.0  # between two times that the reason is written down
GIVE_UP_SECONDS = 60.0  # between two looks at what has waited too long

V = TypeVar("V")
Run = Callable[[Callable[[], V]], Awaitable[V]]
log = logging.getLogger(__name__)


class Tally(Protocol):
    """Counts for metrics."""

    def event_delivered(self, sink: str, count: int) -> None: ...
    def event_failed(self, sink: str, count: int) -> None: ...


@dataclass(eq=False)
class Courier:
    """Of one sink that this relay has by ``token``. run: does blocking work elsewhere than on the loop."""

    name: str
    token: int
    sink: Sink
    outbox: Outbox
    tally: Tally
    run: Run  # type: ignore[type-arg]  # of any value
    tries: int
    days: int
    wake: asyncio.Event = field(default_factory=asyncio.Event)
    stopping: bool = False
    _open: bool = False
    _own: Pauses = field(default_factory=Pauses)
    _banks: dict[str, Pauses] = field(default_factory=dict)
    _gave_up: float = 0.0
    _noted: float = -HELD_NOTED_SECONDS
    _why: Exception | None = None

    async def show(self, event: Event) -> None:
        """Send one that is not of the outbox by the open sink. Raises why it could not be opened, or not sent."""
        end = time.monotonic() + OPEN_SECONDS
        while not self._open or self.sink.lost is not None:
            if self._why is not None:
                raise self._why
            if time.monotonic() > end or self.stopping:
                raise _opening()
            await asyncio.sleep(0.02)
        await self.sink.send(event)

    async def work(self) -> None:
        """Until it is told to stop, or another relay has the sink."""
        try:
            while not self.stopping:
                self.wake.clear()
                await self._sleep(await self._step())
        except LeaseLost:
            log.warning("another relay has the sink", extra={"sink": self.name})
        finally:
            await self._close()

    def stop(self) -> None:
        """After what is on its way."""
        self.stopping = True
        self.wake.set()

    async def _step(self) -> float:
        """Deliver one window; the seconds to wait for the next, unless woken."""
        try:
            await self._look_for_old()
            if self._own.left or not await self._opened():
                return self._own.left
            held = {bank: pauses for bank, pauses in self._banks.items() if pauses.left}
            rows = await self.run(partial(self.outbox.window, self.name, WINDOW, [*held]))
            if not rows:
                self._own = Pauses()
                return min([POLL_SECONDS, *(pauses.left for pauses in held.values())])
            await self._settle(await self._deliver(rows))
            return self._own.left
        except LeaseLost:
            raise
        except AppError as error:  # of the database: what was sent is sent again
            self._own.failed()
            log.warning("events could not be settled: %s", error, extra={"sink": self.name})
            return self._own.left

    async def _sleep(self, seconds: float) -> None:
        """A commit ends a wait for events, and no pause."""
        end = time.monotonic() + seconds
        while not self.stopping and (left := end - time.monotonic()) > 0:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(left):
                    await self.wake.wait()
            if not self._own.left:
                return
            self.wake.clear()

    async def _opened(self) -> bool:
        if self._open and self.sink.lost is None:
            return True
        await self._close()
        try:
            await self.sink.open()
        except (SinkFailed, AppError) as error:
            self._why = error
            await self._fail(str(error))
            return False
        if self._why is not None:
            await self.run(partial(self.outbox.opened, self.name, self.token))
        self._open, self._why = True, None
        return True

    async def _deliver(self, rows: list[Outgoing]) -> Outcome:
        outcome, end, room = Outcome(), time.monotonic() + WINDOW_SECONDS, asyncio.Semaphore(LANES)

        async def lane(events: list[Outgoing]) -> None:
            async with room:
                for event in events:
                    late = time.monotonic() > end
                    if (
                        late
                        or self.stopping
                        or outcome.down is not None
                        or not await self._send(event, outcome)
                    ):
                        return

        in_order = sorted(rows, key=lambda row: (row.bank, row.seq))
        banks = [[*events] for _, events in groupby(in_order, key=lambda row: row.bank)]
        await asyncio.gather(*map(lane, sorted(banks, key=lambda events: events[0].seq)))
        return outcome

    async def _send(self, row: Outgoing, outcome: Outcome) -> bool:
        """Whether the bank's next event may follow."""
        try:
            async with asyncio.timeout(HANG_SECONDS):
                await self.sink.send(Event.of(row))
        except TimeoutError:
            outcome.down = _hung()
            return False
        except SinkUnreachable as error:
            outcome.down = error
            return self._refuse(row, error, outcome) if error.counts else False
        except EventHeld as error:
            outcome.held = str(error)
            self._banks[row.bank] = Pauses(until=time.monotonic() + HELD_SECONDS)
            return False
        except EventRefused as error:
            return self._refuse(row, error, outcome)
        outcome.delivered.append(row.seq)
        self._banks.pop(row.bank, None)
        return True

    def _refuse(self, row: Outgoing, error: SinkFailed, outcome: Outcome) -> bool:
        """Whether the event is given up, and the next may follow; else its bank waits."""
        dead = row.tries + 1 >= self.tries
        outcome.refused.append(Refused(row.seq, str(error), dead))
        if not dead:
            self._banks.setdefault(row.bank, Pauses()).failed()
        return dead

    async def _settle(self, outcome: Outcome) -> None:
        """Write it down; where the sink is down, close it and wait."""
        delivered, refused, down = outcome.delivered, outcome.refused, outcome.down
        error = self._held(outcome) if down is None else str(down)
        if delivered or refused or error is not None:
            settle = partial(self.outbox.settle, self.name, self.token, delivered, refused, error)
            await self.run(settle)
        self.tally.event_delivered(self.name, len(delivered))
        self.tally.event_failed(self.name, len(refused) + (down is not None and not down.counts))
        if delivered and down is None:
            self._own = Pauses()
        if down is not None:
            await self._close()
            self._own.failed()
            log.warning("a sink is down: %s", error, extra={"sink": self.name})

    def _held(self, outcome: Outcome) -> str | None:
        """Why a bank is held, from time to time."""
        if outcome.held is None or time.monotonic() - self._noted < HELD_NOTED_SECONDS:
            return None
        self._noted = time.monotonic()
        return outcome.held

    async def _fail(self, error: str) -> None:
        self._own.failed()
        self.tally.event_failed(self.name, 1)
        await self.run(partial(self.outbox.settle, self.name, self.token, error=error))
        log.warning("a sink cannot be opened: %s", error, extra={"sink": self.name})

    async def _look_for_old(self) -> None:
        if time.monotonic() - self._gave_up > GIVE_UP_SECONDS:
            self._gave_up = time.monotonic()
            count = await self.run(partial(self.outbox.give_up, self.name, self.token, self.days))
            if count:
                log.warning("events were given up", extra={"sink": self.name, "events": count})

    async def _close(self) -> None:
        self._open = False
        with contextlib.suppress(Exception):  # it is over, whatever it says
            async with asyncio.timeout(5):
                await self.sink.close()


def _hung() -> SinkUnreachable:
    return SinkUnreachable(
        "a sink must answer or fail", f"neither within {HANG_SECONDS:g} s", "Restart the other side."
    )


def _opening() -> SinkUnreachable:
    return SinkUnreachable(
        requirement="a sink must be open for a sample",
        received=f"one that is still being opened after {OPEN_SECONDS:g} s, or is being switched off",
        remedy="Wait a moment, and send the sample again.",
    )
