"""A computed inspection on its way into the ledger."""

from __future__ import annotations

import asyncio
import threading
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

from app.imaging.names import split_name
from app.imaging.pictures import Kind
from app.inspection.engine import Inspection
from app.inspection.registry import Loaded
from app.lifecycle.service import Service
from app.store.ids import new_id
from core.input.photograph import Photograph


@dataclass(frozen=True)
class Asked:
    """What a caller wants beside the score. deadline: monotonic seconds; thresholds override the bank's."""

    deadline: float
    actor: str
    serial: str | None = None
    station: str | None = None
    name: str | None = None
    review_threshold: float | None = None
    reject_threshold: float | None = None
    picture: Kind | None = None


class Line(SimpleNamespace):
    """An inspection's line by its columns, as a row of the ledger has them; made in no time."""


class Filing:
    """One inspection's line, written by the inference thread; filed there, where nothing else has to be kept with it.

    An inspection is either filed or abandoned: whichever comes first stands, so that nobody is told of a refusal
    while the ledger holds an answer. row: the line, by the names of its columns, once computed.
    """

    row: dict[str, Any]
    found: Inspection

    def __init__(
        self,
        service: Service,
        loaded: Loaded,
        image: Photograph,
        asked: Asked,
        decode_ms: float,
        started: float,
    ) -> None:
        """On the event loop. started: when the request was taken up, by ``time.perf_counter``."""
        self._service, self._loaded, self._size = service, loaded, image.shape
        self._asked, self._decode_ms, self._started = asked, decode_ms, started
        self._submitted = time.monotonic()
        self._decided = threading.Lock()  # held for good by whoever decides
        self._computed = False
        self.written: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def file(self, found: Inspection, begun: float) -> None:
        """On the inference thread, whose batch began at ``begun``, monotonic. A second try changes nothing."""
        if self._computed:
            return
        self.row, self.found, self._computed = self._line(found, begun), found, True
        alone = self._asked.picture is None and not self._service.keeps(found.decision)
        if alone and self._decided.acquire(blocking=False):
            self._service.ledger.put(self.row, self.written)

    @property
    def filed(self) -> bool:
        """Whether it was, of one that nobody abandoned; ``written`` tells when it is on the disk."""
        return self._decided.locked()

    def abandon(self) -> bool:
        """Whether nothing was filed, and nothing will be."""
        return self._decided.acquire(blocking=False)

    def _line(self, found: Inspection, begun: float) -> dict[str, Any]:
        waited = (begun - self._submitted) * 1e3
        timings = {"queue": waited, "decode": self._decode_ms, **vars(found.timings)}
        timings["total"] = (time.perf_counter() - self._started) * 1e3
        return {
            "id": new_id(),
            "created_at": datetime.now(UTC),
            "bank": self._loaded.key[0],
            "version": self._loaded.key[1],
            "serial": self._asked.serial,
            "station": self._asked.station,
            "name": self._asked.name,
            "width": self._size[1],
            "height": self._size[0],
            "score": found.score,
            "review_threshold": found.thresholds.review,
            "reject_threshold": found.thresholds.reject,
            "decision": found.decision,
            "regions": [vars(region) for region in found.regions],
            "nearest": _nearest(found),
            "timings": {name: round(value, 3) for name, value in timings.items()},
            "digests": self._loaded.digests,
            "actor": self._asked.actor,
            "image_sha256": None,
            "verdict": None,
        }


def _nearest(found: Inspection) -> dict[str, Any]:
    """The nearest nominal patch, its image named apart from its digest."""
    sha256, name = split_name(found.nearest.image)
    return vars(found.nearest) | {"image": name, "sha256": sha256}
