"""One file, inspected once: read whole, found in the ledger or inspected as if it came over HTTP, settled.

The row that names the file is written in the inspection's own transaction and asked before, so that after a crash at
any moment all that is left to do is to settle it.
"""

from __future__ import annotations

import hashlib
import os
import time
from functools import partial
from typing import NamedTuple

from app.errors import ImageRefused, ImageUnreadable
from app.inspection.gate import Pass
from app.inspection.inspect import inspect
from app.inspection.inspecting import Asked, Inspecting
from app.inspection.ledger import document
from app.inspection.waiting import Deadline
from app.problems.problem import problem_of
from app.settings import Watched
from app.sources import settling
from app.sources.share import Share, Stamp, plain, read_whole
from app.store.errors import NotFound
from app.store.origins import Known
from app.store.schema import Inspection, Origin

ACTOR = "folder"


class _File(NamedTuple):
    name: str
    stamp: Stamp
    body: bytes
    sha256: str


class Once:
    """The files of one folder; ``busy`` are those under way. Lives on the event loop."""

    def __init__(self, inspecting: Inspecting, watched: Watched, share: Share) -> None:
        self._inspecting, self._watched, self._share = inspecting, watched, share
        self._source, self._origins = str(watched.folder), inspecting.store.origins
        self._moves, self._pools = watched.after == "move", inspecting.pools
        self.busy: set[str] = set()

    async def inspect(self, name: str, stamp: Stamp) -> bool:
        """Inspect the file with this stamp, unless it was, and settle it; False where it is another by now.

        Raises what an inspection does, and ``OSError``.
        """
        self.busy.add(plain(name))
        try:
            lane = self._inspecting.lane(self._watched.bank, f"{ACTOR}:{self._source}")
            with self._inspecting.gate.enter(lane) as share:
                if (file := await self._read(name, stamp, share)) is None:
                    return False
                origin, row = await self._pools.background(partial(self._before, file))
                if row is None and (origin is None or self._watched.after != "keep"):
                    row = await self._anew(file, share)
            if row is not None:
                await self._settle(file, row)
            return True
        finally:
            self.busy.discard(plain(name))

    async def give_up(self, name: str, stamp: Stamp, error: ImageRefused) -> None:
        """Settle a file that is not an image which can be inspected. Raises ``OSError``."""
        problem = problem_of(error).document()
        await self._share.ask(partial(settling.fail, self._watched, name, stamp, problem, error))
        self._inspecting.metrics.folder_file(self._source, settling.FAILED)

    def settled(self, files: dict[str, Stamp]) -> list[str]:
        """Those of these files for which nothing is left to do: a restart must not read them all again."""
        if self._moves or not files:
            return []
        known = self._origins.known(self._source, [plain(name) for name in files])
        done = [name for name, stamp in files.items() if (plain(name), Known(*stamp[1:])) in known]
        if self._watched.after == "keep":
            return done
        return [name for name in done if settling.answer_path(self._watched, name).exists()]

    async def _read(self, name: str, stamp: Stamp, share: Pass) -> _File | None:
        self._inspecting.image_limits.check_bytes(stamp.size)
        share.grow(stamp.size)

        def read() -> _File | None:
            body = read_whole(self._watched.folder / name, stamp)
            return None if body is None else _File(name, stamp, body, hashlib.sha256(body).hexdigest())

        try:
            return await self._share.ask(read)
        except PermissionError as error:
            raise ImageUnreadable(
                requirement="a watched file must be readable by the server",
                received=f"{plain(name)}: {error.strerror}",
                remedy="Give the server's user the right to read it, and put it into the folder again.",
            ) from None

    def _before(self, file: _File) -> tuple[Origin | None, Inspection | None]:
        """The file as inspected before, also under a name that it no longer has, and the inspection if it is kept."""
        mine = plain(file.name)
        for origin in sorted(self._origins.of(self._source, file.sha256), key=lambda each: each.name != mine):
            if origin.name != mine:
                same = (origin.size, origin.mtime_ns) == file.stamp[1:]
                if not same or not self._is_gone(origin.name):
                    continue
                self._origins.rename(origin, mine)
                origin.name = mine
            try:
                return origin, self._inspecting.store.inspections.get(origin.inspection_id)
            except NotFound:
                if self._watched.after != "keep":
                    self._origins.forget(origin)
                return origin, None
        return None, None

    def _is_gone(self, name: str) -> bool:
        return name not in self.busy and not os.path.lexists(self._watched.folder / name)

    async def _anew(self, file: _File, share: Pass) -> Inspection:
        asked = Asked(
            Deadline(time.monotonic() + self._inspecting.settings.request_timeout_seconds),
            ACTOR,
            share,
            station=self._watched.station,
            name=plain(file.name),
            origin=partial(self._origin, file),
        )
        return (await inspect(self._inspecting, self._watched.bank, file.body, asked)).row

    async def _settle(self, file: _File, row: Inspection) -> None:
        settle = partial(settling.settle, self._watched, file.name, file.stamp, document(row))
        await self._share.ask(settle)
        if self._moves:
            await self._pools.background(partial(self._origins.forget, self._origin(file, row.id)))
        self._inspecting.metrics.folder_file(self._source, row.decision)

    def _origin(self, file: _File, inspection: str) -> Origin:
        _, size, mtime_ns = file.stamp
        return Origin(
            source=self._source,
            name=plain(file.name),
            sha256=file.sha256,
            size=size,
            mtime_ns=mtime_ns,
            inspection_id=inspection,
        )
