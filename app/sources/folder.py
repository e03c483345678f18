"""One watched folder: looked at, its whole files inspected in the order of their time, and settled.

What is wrong with a file delays or fails that file; what is wrong with the bank, the database, the disk or the share
holds the folder up until it is over.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial

from sqlalchemy.exc import IntegrityError
from watchfiles import awatch

from app.errors import AppError, DeadlineExceeded, ImageRefused, Overloaded
from app.inspection.inspecting import Inspecting
from app.settings import Watched
from app.sources.listing import Listing, Waiting
from app.sources.once import Once
from app.sources.share import Share, Stamp, look, plain
from core.errors import CoreError

AT_ONCE = 4  # files under way
BATCH = 256  # files taken between two looks at the folder
LOOK_SECONDS = 5.0  # between two looks where nothing was heard: shares send no events
LOOK_SHARE = 10  # looking takes at most one in so many seconds
STUCK_SECONDS = 10.0  # after which a share that has not answered is a fault
FIRST_PAUSE, LONGEST_PAUSE = 1.0, 30.0  # seconds after a refusal
SWEEP_SECONDS = 3600.0

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class FolderState:
    """How a folder is. done, failed: files since the server started. fault: why it is not well now.

    error: the last one, and when, in ISO 8601.
    """

    folder: str
    bank: str
    station: str | None
    after: str
    waiting: int
    done: int
    failed: int
    fault: str | None
    error: str | None
    error_at: str | None


class Folder:
    """Lives on the event loop."""

    def __init__(self, inspecting: Inspecting, watched: Watched) -> None:
        self.watched, self._inspecting, self._life = watched, inspecting, inspecting.life
        self._share, self._listing = Share(AT_ONCE), Listing(watched.settle_seconds)
        self._once = Once(inspecting, watched, self._share)
        self._wake, self._ear = asyncio.Event(), asyncio.create_task(asyncio.sleep(0))
        self._identity: tuple[int, int] | None = None
        self._held: str | None = None
        self._holds, self._pause, self._look_seconds = False, FIRST_PAUSE, 0.0
        self._done = self._failed = 0
        self._error: tuple[str, datetime] | None = None
        self._sweep_at = time.monotonic() + SWEEP_SECONDS

    async def run(self) -> None:
        """Until the service stops."""
        try:
            while not self._life.stopping.is_set():
                self._holds = False
                await self._round()
                if not self._holds:
                    self._held, self._pause = None, FIRST_PAUSE
                await self._rest()
        finally:
            self._ear.cancel()
            self._share.close()

    def state(self) -> FolderState:
        """As of now."""
        error, at = self._error or (None, None)
        of = str(self.watched.folder), self.watched.bank, self.watched.station, self.watched.after
        numbers = len(self._listing.waiting), self._done, self._failed
        return FolderState(*of, *numbers, self._fault(), error, None if at is None else at.isoformat())

    def _fault(self) -> str | None:
        if self._share.waited > STUCK_SECONDS:
            return f"the folder has not answered for {self._share.waited:.0f} s"
        if self._held is not None:
            return self._held
        found = [f"{plain(name)}: {each.error}" for name, each in self._listing.waiting.items() if each.error]
        return None if not found else found[0] + (f" (and {len(found) - 1} more)" if found[1:] else "")

    # Looking

    async def _round(self) -> None:
        started = time.monotonic()
        try:
            found, identity = await self._share.ask(partial(look, self.watched.folder))
        except OSError as error:
            return self._hold(f"the folder cannot be read: {error.strerror or error}")
        finally:
            self._look_seconds = time.monotonic() - started
        if identity != self._identity:  # also where it was gone, and another is there now
            self._ear.cancel()
            self._ear, self._identity = asyncio.create_task(self._hear()), identity
        try:
            await self._take_in(found)
        except AppError as error:
            return self._hold(str(error))
        if self._life.ready:
            await self._take()

    async def _take_in(self, found: dict[str, Stamp]) -> None:
        pools, new = self._inspecting.pools, {name: found[name] for name in self._listing.note(found)}
        for name in await pools.background(partial(self._once.settled, new)):
            self._listing.settle(name, found[name])
        if found and time.monotonic() >= self._sweep_at:  # an empty folder may be a share that is not mounted
            self._sweep_at = time.monotonic() + SWEEP_SECONDS
            there, origins = {plain(name) for name in found}, self._inspecting.store.origins
            await pools.background(partial(origins.sweep, str(self.watched.folder), there.__contains__))

    async def _hear(self) -> None:
        """Wake up when the folder changes. Where no event can be had, it is still looked at from time to time."""
        heard = awatch(self.watched.folder, watch_filter=None, step=10, debounce=200, recursive=False)
        try:
            async for _ in heard:
                self._wake.set()
        except Exception as error:  # whatever a file system does not support
            log.info("no events of %s: %s", self.watched.folder, error)

    async def _rest(self) -> None:
        if self._holds or not self._life.ready:
            await self._sleep(self._pause if self._holds else 0.1)
            self._pause = min(2 * self._pause, LONGEST_PAUSE) if self._holds else FIRST_PAUSE
            return
        await self._sleep(min(LOOK_SHARE * self._look_seconds, LOOK_SECONDS))
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._listing.seconds(LOOK_SECONDS)):
                await self._wake.wait()
        self._wake.clear()

    async def _sleep(self, seconds: float) -> None:
        """Unless the service stops."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._life.stopping.wait()

    # Inspecting

    async def _take(self) -> None:
        """A batch of whole files, begun in order."""
        turns = asyncio.Semaphore(AT_ONCE)
        async with asyncio.TaskGroup() as group:
            for name, each in self._listing.ready(BATCH):
                await turns.acquire()
                if self._holds or self._life.stopping.is_set():
                    break
                group.create_task(self._one(name, each)).add_done_callback(lambda _: turns.release())

    async def _one(self, name: str, each: Waiting) -> None:
        try:
            if not await self._once.inspect(name, each.stamp):  # the next look sees what it is now
                return each.later(None, self.watched.settle_seconds)
        except ImageRefused as error:
            await self._refused(name, each, error)
        except IntegrityError:  # another server recorded it in this moment: now it is found
            each.due = time.monotonic()
        except DeadlineExceeded as error:
            self._delay(name, each, str(error))
        except Overloaded as error:
            each.later(None, error.retry_after)
        except (AppError, CoreError, OSError) as error:
            self._hold(f"{plain(name)}: {error}")
        except Exception as error:
            log.exception("a file of a watched folder could not be inspected", extra={"file": plain(name)})
            self._delay(name, each, f"an internal error, see the log: {type(error).__name__}")
        else:
            self._settled(name, each)
            self._done += 1

    async def _refused(self, name: str, each: Waiting, error: ImageRefused) -> None:
        """A file that is not whole yet looks like a damaged one: it is given up once nobody can be writing to it."""
        if (seconds := self._listing.until_quiet(each)) > 0:
            return each.later(None, seconds)
        try:
            await self._once.give_up(name, each.stamp, error)
        except OSError as refused:
            return self._hold(f"{plain(name)}: {refused}")
        self._settled(name, each)
        self._failed += 1
        self._note(f"{plain(name)}: {error}")

    def _delay(self, name: str, each: Waiting, error: str) -> None:
        each.later(error)
        self._note(f"{plain(name)}: {error}")

    def _note(self, error: str) -> None:
        self._error = error, datetime.now(UTC)

    def _settled(self, name: str, each: Waiting) -> None:
        self._listing.settle(name, None if self.watched.after == "move" else each.stamp)

    def _hold(self, reason: str) -> None:
        """Nothing more is taken until the next look, which comes after a pause."""
        if self._held != reason:
            log.error("the watched folder %s waits: %s", self.watched.folder, reason)
        self._holds, self._held = True, reason
        self._note(reason)
