"""The ledger's writer: inspections durable before they are answered, many in one transaction.

A transaction costs a flush of the disk whatever it holds. While one is flushed the next inspections gather, so that
64 callers pay for a few flushes and a lone one waits only for its own (group commit; DeWitt et al., SIGMOD 1984).
"""

from __future__ import annotations

import asyncio
import queue
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC
from itertools import groupby
from typing import Any

from app.store.schema import Descriptor, Inspection, Origin
from app.store.staging import Staged
from app.store.store import Store

GROUP = 256  # inspections of one transaction at most


@dataclass(frozen=True)
class KeptImage:
    """An image's bytes, staged and finished, to be kept with its inspection."""

    staged: Staged
    media_type: str


@dataclass(eq=False)
class _Entry:
    row: Inspection
    image: KeptImage | None
    descriptor: Descriptor | None
    origin: Origin | None
    written: asyncio.Future[None]


class Ledger:
    """One thread that writes, in the order it was given."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._waiting: queue.SimpleQueue[_Entry | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="ledger", daemon=True)
        self._thread.start()

    async def record(
        self,
        row: Inspection,
        image: KeptImage | None = None,
        descriptor: Descriptor | None = None,
        origin: Origin | None = None,
    ) -> None:
        """Write one inspection, with its image, descriptor and origin if given.

        Raises StoreError; then nothing was written.
        """
        written = asyncio.get_running_loop().create_future()
        self._waiting.put(_Entry(row, image, descriptor, origin, written))
        await written

    def close(self) -> None:
        """Write what waits, and stop."""
        self._waiting.put(None)
        self._thread.join()

    def _run(self) -> None:
        open_ = True
        while open_:
            entries, open_ = self._gather()
            if entries:
                self._settle(entries)

    def _gather(self) -> tuple[list[_Entry], bool]:
        """What waits, at least one unless the ledger was closed; whether it is still open."""
        entries: list[_Entry] = []
        while len(entries) < GROUP and not (entries and self._waiting.empty()):
            entry = self._waiting.get()
            if entry is None:
                return entries, False
            entries.append(entry)
        return entries, True

    def _settle(self, entries: Sequence[_Entry]) -> None:
        """Write all together; where that is refused, each by itself, so that one bad row stops no other."""
        try:
            self._write(entries)
        except Exception as error:
            if len(entries) > 1:
                for entry in entries:
                    self._settle([entry])
                return
            _answer(entries, error)
        else:
            _answer(entries, None)

    def _write(self, entries: Sequence[_Entry]) -> None:
        by_type: dict[str, list[_Entry]] = {}
        for entry in entries:
            if entry.image is not None:
                by_type.setdefault(entry.image.media_type, []).append(entry)
        for media_type, group in by_type.items():
            self._store.blobs.keep([entry.image.staged for entry in group if entry.image], media_type)
            for entry in group:
                entry.image = None  # kept: a second try needs only the row
        descriptors = [entry.descriptor for entry in entries if entry.descriptor is not None]
        origins = [entry.origin for entry in entries if entry.origin is not None]
        self._store.inspections.add([entry.row for entry in entries], descriptors, origins)


def reason(row: Inspection) -> str | None:
    """Why a part was rejected if not by its score: ``not_located``."""
    return "not_located" if row.location is not None and not row.location["located"] else None


def document(row: Inspection) -> dict[str, Any]:
    """An inspection as everybody sees it, from the caller it was made for to the reader of the ledger."""
    path = f"/v1/inspections/{row.id}"
    kept = row.image_sha256 is not None
    return {
        "id": row.id,
        "bank": row.bank,
        "version": row.version,
        "created_at": row.created_at.astimezone(UTC).isoformat().replace("+00:00", "Z"),
        "serial": row.serial,
        "station": row.station,
        "name": row.name,
        "width": row.width,
        "height": row.height,
        "score": row.score,
        "thresholds": {"review": row.review_threshold, "reject": row.reject_threshold},
        "decision": row.decision,
        "regions": row.regions,
        "nearest": row.nearest,
        "reason": reason(row),
        "location": row.location,
        "digests": row.digests,
        "timings": row.timings,
        "verdict": row.verdict,
        "kind": row.kind,
        "image_sha256": row.image_sha256,
        "image_not_kept": row.image_not_kept,
        "links": {
            "self": path,
            "reviews": f"{path}/reviews",
            "similar": f"{path}/similar",
            "image": f"{path}/image" if kept else None,
            "heatmap": f"{path}/heatmap" if kept else None,
            "overlay": f"{path}/overlay" if kept else None,
        },
        "heatmap": None,
    }


def _answer(entries: Sequence[_Entry], error: Exception | None) -> None:
    """Wake the callers, those of one loop with one call."""
    for loop, group in groupby(entries, key=lambda entry: entry.written.get_loop()):
        if not loop.is_closed():
            loop.call_soon_threadsafe(_wake, [entry.written for entry in group], error)


def _wake(waiters: list[asyncio.Future[None]], error: Exception | None) -> None:
    for waiter in waiters:
        if waiter.cancelled():
            continue
        if error is None:
            waiter.set_result(None)
        else:
            waiter.set_exception(error)
