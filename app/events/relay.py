"""The relay: a thread beside the service whose loop has one courier a sink. No inspection waits for it.

A transaction that wrote events wakes the couriers of their sinks once it is durable. Of several servers on one database
one relay has a sink, by the token of app/store/sinks.py; the others take it once its heartbeats have stopped.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading
import time
from collections.abc import Callable, Collection
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from functools import partial
from typing import TypeVar

from app.errors import AppError, SinkUnreachable
from app.events import Event, Host, Sink
from app.events.courier import Courier, Tally
from app.events.kinds import KINDS, made
from app.settings import Settings
from app.store.envelopes import sample
from app.store.ids import new_id
from app.store.leases import Silence
from app.store.schema import Sink as Row
from app.store.sinks import machine_of, own_name
from app.store.store import Store

LOOK_SECONDS = 1.0  # between two looks at the sinks; longer where there was never one
IDLE_SECONDS = 5.0
BEATS_A_LEASE = 4
THREADS = 4  # for the database
HAVE_SECONDS = 3.0  # in which a relay has a sink that nobody has
GRACE_SECONDS = 5.0  # for what is on its way when a courier ends

V = TypeVar("V")
log = logging.getLogger(__name__)


class Relay:
    """Started and stopped with the service."""

    def __init__(
        self,
        store: Store,
        settings: Settings,
        tally: Tally,
        healthy: Callable[[], bool] = lambda: True,
        tell: Callable[[str], None] = lambda sink: None,
    ) -> None:
        """healthy: whether this server inspects, as sinks tell controllers. tell: other servers, that events of a sink
        were written which is not ours.
        """
        self.tell = tell
        self.store, self._settings, self._tally, self._healthy = store, settings, tally, healthy
        self._name = own_name()
        self._couriers: dict[str, tuple[datetime, Courier, asyncio.Task[None]]] = {}
        self._silence = Silence(time.monotonic)
        self._pool = ThreadPoolExecutor(THREADS, "relay")
        self._loop: asyncio.AbstractEventLoop | None = None
        self._changed, self._stopping = asyncio.Event(), False
        self._thread = threading.Thread(target=self._main, name="relay", daemon=True)
        self._beaten = 0.0

    def start(self) -> None:
        """Returns once events of this process wake it."""
        started = threading.Event()
        self._started = started.set
        self._thread.start()
        started.wait()
        self.store.outbox.heard.append(self._hear)

    def stop(self, seconds: float) -> None:
        """Finish what is on its way, and let other relays have the sinks."""
        self.store.outbox.heard.remove(self._hear)
        self._stopping = True
        self.look()
        self._thread.join(seconds)

    def look(self) -> None:
        """Look at the sinks now: one was made, changed or deleted."""
        self._call(self._changed.set)

    async def sample(self, row: Row) -> float:
        """Send one event that says it is a sample, now, whatever waits; the seconds until it was acknowledged.

        A sink that listens gets it through its open server, where this relay has it. Raises SinkFailed,
        SinkKindUnavailable.
        """
        assert self._loop is not None
        return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(self._sample(row), self._loop))

    def _hear(self, sinks: Collection[str]) -> None:
        """On whatever thread has committed: our courier of a sink looks, or another server's does."""
        ours = {name for name in sinks if name in self._couriers}
        if ours:
            self.wake(ours)
        for name in set(sinks) - ours:
            self.tell(name)

    def _call(self, function: Callable[[], object]) -> None:
        with contextlib.suppress(RuntimeError):  # the loop has ended
            if self._loop is not None:
                self._loop.call_soon_threadsafe(function)

    def wake(self, sinks: Collection[str] | None) -> None:
        """Have the couriers of these sinks look for events, or all couriers: another server wrote some."""
        self._call(partial(self._wake, sinks))

    def _wake(self, sinks: Collection[str] | None) -> None:
        for name in [*self._couriers] if sinks is None else sinks:
            if (found := self._couriers.get(name)) is not None:
                found[1].wake.set()

    def _main(self) -> None:
        with self._pool:
            asyncio.run(self._run())

    async def _run(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._started()
        while not self._stopping:
            self._changed.clear()
            pause = IDLE_SECONDS
            try:
                if bool(self._couriers) or await self._in_thread(self.store.sinks.any):
                    pause = LOOK_SECONDS
                    await self._look()
            except AppError as error:
                log.warning("the sinks could not be looked at: %s", error)
            except Exception:
                log.exception("the sinks could not be looked at")
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    await self._changed.wait()
        await self._end([*self._couriers])

    async def _look(self) -> None:
        """Beat; end the couriers of what changed; begin those of what is to be had."""
        rows = {row.id: row for row in await self._in_thread(self.store.sinks.all)}
        await self._end([name for name in self._couriers if self._is_over(name, rows.get(name))])
        await self._beat()
        silent = self._silence.of((row.id, row.token, row.beats) for row in rows.values())
        for row, seconds in zip(rows.values(), silent.values(), strict=True):
            wanted = row.enabled and row.id not in self._couriers
            if wanted and (seconds >= self._settings.lease_seconds or self.store.sinks.is_orphaned(row)):
                try:
                    await self._begin(row)
                except Exception:  # it is this sink's, such as a kind of a newer release
                    log.exception("the sink %s could not be begun", row.id)

    def _is_over(self, name: str, row: Row | None) -> bool:
        changed, courier, task = self._couriers[name]
        same = row is not None and row.enabled and (row.updated_at, row.token) == (changed, courier.token)
        return task.done() or not same

    async def _begin(self, row: Row) -> None:
        token = await self._in_thread(partial(self.store.sinks.claim, row, self._name))
        if token is None:
            return
        courier = Courier(
            row.id, token, await self._made(row), self.store.outbox, self._tally, self._in_thread,
            self._settings.event_tries, self._settings.event_days,
        )  # fmt: skip
        self._couriers[row.id] = row.updated_at, courier, asyncio.create_task(courier.work())

    async def _beat(self) -> None:
        """Four times a lease."""
        if (
            time.monotonic() - self._beaten < self._settings.lease_seconds / BEATS_A_LEASE
            or not self._couriers
        ):
            return
        self._beaten = time.monotonic()
        held = {name: courier.token for name, (_, courier, _) in self._couriers.items()}
        await self._end(await self._in_thread(partial(self.store.sinks.beat, held)))

    async def _end(self, names: Collection[str]) -> None:
        """Stop these couriers side by side, and let go of their sinks."""
        ending = {name: self._couriers.pop(name) for name in names}
        for _, courier, _ in ending.values():
            courier.stop()
        if ending:
            tasks = [task for _, _, task in ending.values()]
            _, late = await asyncio.wait(tasks, timeout=GRACE_SECONDS)
            for task in late:  # what it sent and did not settle is sent again
                task.cancel()
            for error in await asyncio.gather(*tasks, return_exceptions=True):
                if isinstance(error, Exception):
                    log.error("a courier failed", exc_info=error)
            held = {name: courier.token for name, (_, courier, _) in ending.items()}
            await self._in_thread(partial(self.store.sinks.release, held))

    async def _sample(self, row: Row) -> float:
        happening = sample(row.id, new_id(), datetime.now(UTC))
        event = Event(happening.id, happening.kind, happening.bank, happening.body())
        began = time.monotonic()
        if KINDS[row.kind].listens and row.enabled:
            await (await self._courier_of(row)).show(event)
            return time.monotonic() - began
        sink = await self._made(row, sample=True)
        try:
            await sink.open()
            await sink.send(event)
            return time.monotonic() - began
        finally:
            await sink.close()

    async def _courier_of(self, row: Row) -> Courier:
        """The one of this relay, which may be about to have the sink."""
        end = time.monotonic() + HAVE_SECONDS
        while (found := self._couriers.get(row.id)) is None:
            if time.monotonic() > end:
                raise _elsewhere(await self._in_thread(partial(self.store.sinks.get, row.id)))
            await asyncio.sleep(0.05)
        return found[1]

    async def _made(self, row: Row, *, sample: bool = False) -> Sink:
        secrets = await self._in_thread(partial(self.store.sinks.secrets, row.id))
        host = Host(self._settings, self._healthy, partial(self._banks, row.banks))
        return made(row, secrets, host, sample=sample)

    def _banks(self, wanted: Collection[str] | None) -> dict[str, bool]:
        return {
            bank.id: version is not None and version.state == "ok"
            for bank, version in self.store.banks.with_versions()
            if wanted is None or bank.id in wanted
        }

    async def _in_thread(self, function: Callable[[], V]) -> V:
        return await asyncio.get_running_loop().run_in_executor(self._pool, function)


def _elsewhere(row: Row) -> SinkUnreachable:
    return SinkUnreachable(
        requirement="a sample of a sink that listens is sent by the server that has the sink",
        received=f"it is with {machine_of(row) or 'no server yet'}",
        remedy="Ask that server, or switch the sink off, which frees it, and on again.",
    )
