"""What is seen of an application: Prometheus metrics, and the problems answered last, bounded, secrets masked.

Metrics count requests, queue, batches, decisions, builds, banks, problems. Each application has its own registry, so
two in one process do not mix. Every name begins with ``nominal_``; what a metric is about is in its labels. ``bank``
is a bank's id, ``route`` a path template: neither comes unchecked from a client. docs/metrics.md lists all;
docker/grafana shows them.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from typing import TypeVar

from cachetools import FIFOCache
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Info, ProcessCollector
from prometheus_client.exposition import choose_encoder
from prometheus_client.metrics import MetricWrapperBase

from app.errors import Overloaded
from app.ops.logs import mask
from app.problems.problem import problem_of
from app.problems.types import type_of
from app.store.outbox import Depth

NAMESPACE = "nominal"
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 12.8, 30.0)
BUILD_SECONDS = (1, 3, 10, 30, 60, 120, 300, 600, 1800, 3600, 7200, 14400)
BATCH_SIZES = (1, 2, 4, 8, 16, 32, 64)

M = TypeVar("M", bound=MetricWrapperBase)
Key = tuple[str, int, str]
"""A bank's id, a version's number and its digest, as the batcher's keys are."""
MOST = 100  # different problems
LONGEST = 500  # characters of a problem's text


class InFlight:
    """How many requests are being answered now; shared by the middleware and whoever drains."""

    def __init__(self, gauge: Gauge) -> None:
        self.count, self._gauge = 0, gauge
        self._none = asyncio.Event()
        self._none.set()

    def __enter__(self) -> None:
        self.count += 1
        self._gauge.set(self.count)
        self._none.clear()

    def __exit__(self, *error: object) -> None:
        self.count -= 1
        self._gauge.set(self.count)
        if self.count == 0:
            self._none.set()

    async def wait_until_none(self, seconds: float) -> bool:
        """Whether all were answered within ``seconds``."""
        try:
            async with asyncio.timeout(seconds):
                await self._none.wait()
        except TimeoutError:
            return False
        return True


class Metrics:
    """The gauges are set, or given a function, by whoever knows; the rest by the methods. Hears a batcher."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        self.build_info = self._made(Info, "build", "Release, backbone and runtime that serve.")
        self.ready = self._made(Gauge, "ready", "1 once warm and until draining, else 0.")
        self.queue_length = self._made(Gauge, "queue_length", "Images that wait for their batch now.")
        self.requests_in_flight = self._made(Gauge, "requests_in_flight", "Requests being answered now.")
        self.in_flight = InFlight(self.requests_in_flight)
        self.disk_free_bytes = self._made(Gauge, "disk_free_bytes", "Free space where state lies.")
        self.decoding_length = self._made(Gauge, "decoding_length", "Images that wait to be decoded now.")
        self.memory_in_flight_bytes = self._made(
            Gauge, "memory_in_flight_bytes", "Memory counted for bodies, pixels, maps and pictures in flight."
        )
        self.memory_budget_bytes = self._made(Gauge, "memory_budget_bytes", "What that may be at most.")
        self.bank_bytes = self._made(Gauge, "bank_bytes", "Memory of a bank's loaded versions.", "bank")
        self.versions_quarantined = self._made(
            Gauge, "versions_quarantined", "Active versions in quarantine."
        )
        self.jobs = self._made(Gauge, "jobs", "Build jobs queued or running.", "state")
        self.folder_waiting = self._made(
            Gauge, "folder_waiting", "Files of a watched folder that wait.", "folder"
        )
        self.folder_well = self._made(
            Gauge, "folder_well", "1 while a watched folder has no fault, else 0.", "folder"
        )
        self._folder_files = self._made(
            Counter, "folder_files", "Files of a watched folder settled.", "folder", "outcome"
        )
        self.camera_well = self._made(
            Gauge, "camera_well", "1 while a camera has no fault, else 0.", "camera"
        )
        self._camera_pictures = self._made(
            Counter, "camera_pictures", "Pictures of a camera inspected, and its faults.", "camera", "outcome"
        )
        self._requests = self._made(Counter, "requests", "Requests answered.", "method", "route", "status")
        self._problems = self._made(Counter, "problems", "Errors answered, by problem type.", "type")
        self._inspections = self._made(Counter, "inspections", "Images inspected.", "bank", "decision")
        self._refusals = self._made(
            Counter, "refusals", "Images refused for load, by problem type.", "bank", "type"
        )
        self.events_waiting = self._made(
            Gauge, "events_waiting", "Events that a sink has yet to take.", "sink"
        )
        self.events_oldest_seconds = self._made(
            Gauge, "events_oldest_seconds", "How long the oldest of them has waited.", "sink"
        )
        self.events_dead = self._made(Gauge, "events_dead", "Events given up, until they are resent.", "sink")
        self._events_delivered = self._made(
            Counter, "events_delivered", "Events that a sink acknowledged.", "sink"
        )
        self._events_failed = self._made(
            Counter, "events_failed", "Times that a sink was down or refused an event.", "sink"
        )
        seconds = partial(self._histogram, SECONDS)
        self._request_seconds = seconds(
            "request_seconds", "From request to complete answer.", "method", "route"
        )
        self._queue_seconds = seconds("queue_seconds", "An image's wait for its batch.", "bank")
        self._compute_seconds = seconds("compute_seconds", "A batch's computation.", "bank")
        self._batch_size = self._histogram(BATCH_SIZES, "batch_size", "Images of a batch.", "bank")
        self._build_seconds = self._histogram(BUILD_SECONDS, "build_seconds", "A build job.", "bank", "state")

    def batch_computed(self, key: Key, queue_seconds: Sequence[float], compute_seconds: float) -> None:
        """From the batcher: a batch of ``len(queue_seconds)`` images."""
        for seconds in queue_seconds:
            self._queue_seconds.labels(key[0]).observe(seconds)
        self._compute_seconds.labels(key[0]).observe(compute_seconds)
        self._batch_size.labels(key[0]).observe(len(queue_seconds))

    def batch_refused(self, key: Key, error: Overloaded) -> None:
        """From the batcher: one image refused."""
        self._refusals.labels(key[0], type_of(type(error)).slug).inc()

    def inspected(self, bank: str, decision: str) -> None:
        """One image was inspected and its decision acknowledged."""
        self._inspections.labels(bank, decision).inc()

    def camera_picture(self, camera: str, outcome: str) -> None:
        """A picture of a camera was inspected: its decision, or ``fault``."""
        self._camera_pictures.labels(camera, outcome).inc()

    def folder_file(self, folder: str, outcome: str) -> None:
        """A file of a watched folder was settled: its decision, or ``failed``."""
        self._folder_files.labels(folder, outcome).inc()

    def build_ended(self, bank: str, state: str, seconds: float) -> None:
        """A build job ended as ``succeeded``, ``failed`` or ``cancelled``, ``seconds`` after it began."""
        self._build_seconds.labels(bank, state).observe(seconds)

    def request_answered(
        self, method: str, route: str, status: int, seconds: float, problem: str | None
    ) -> None:
        """A request was answered; ``route`` is its path template, ``problem`` the slug of its error."""
        method = method if method in METHODS else "other"
        self._requests.labels(method, route, str(status)).inc()
        self._request_seconds.labels(method, route).observe(seconds)
        if problem is not None:
            self._problems.labels(problem).inc()

    def set_bank_bytes(self, sizes: Mapping[str, int]) -> None:
        """Memory of every bank that is loaded now; others leave the metric."""
        self.bank_bytes.clear()
        for bank, size in sizes.items():
            self.bank_bytes.labels(bank).set(size)

    def event_delivered(self, sink: str, count: int) -> None:
        """A sink acknowledged so many events."""
        self._events_delivered.labels(sink).inc(count)

    def event_failed(self, sink: str, count: int) -> None:
        """A sink was down, or refused events, so many times."""
        self._events_failed.labels(sink).inc(count)

    def set_event_depths(self, depths: Mapping[str, Depth]) -> None:
        """What waits and what is dead, of every sink that has any; others leave the metrics."""
        now = datetime.now(UTC)
        for gauge in (self.events_waiting, self.events_oldest_seconds, self.events_dead):
            gauge.clear()
        for sink, depth in depths.items():
            oldest = 0.0 if depth.oldest is None else max(0.0, (now - depth.oldest).total_seconds())
            self.events_waiting.labels(sink).set(depth.waiting)
            self.events_oldest_seconds.labels(sink).set(oldest)
            self.events_dead.labels(sink).set(depth.dead)

    def forget_sink(self, sink: str) -> None:
        """Lets go of a deleted sink's series."""
        for counter in (self._events_delivered, self._events_failed):
            counter.remove_by_labels({"sink": sink})

    def forget(self, bank: str) -> None:
        """Lets go of a deleted bank's series."""
        of_banks = (self._inspections, self._queue_seconds, self._compute_seconds, self._batch_size)
        for metric in (*of_banks, self._refusals, self._build_seconds, self.bank_bytes):
            metric.remove_by_labels({"bank": bank})

    def render(self, accept: str = "") -> tuple[bytes, str]:
        """(the text, its media type), in the form that the Accept header asks for."""
        encode, media_type = choose_encoder(accept)
        return encode(self.registry), media_type

    def _made(self, kind: type[M], name: str, help: str, *labels: str) -> M:
        return kind(name, help, labels, namespace=NAMESPACE, registry=self.registry)

    def _histogram(self, buckets: Sequence[float], name: str, help: str, *labels: str) -> Histogram:
        return Histogram(name, help, labels, namespace=NAMESPACE, registry=self.registry, buckets=buckets)


@dataclass(frozen=True)
class Seen:
    """A problem: where it was answered, what it said, how often and when last."""

    where: str
    status: int
    type: str
    detail: str
    times: int
    last: datetime
    request_id: str | None


class RecentProblems:
    """Newest last; one that comes again is counted and becomes the newest. Safe from any thread."""

    def __init__(self, most: int = MOST) -> None:
        self._seen: FIFOCache[tuple[str, str, str], Seen] = FIFOCache(most)
        self._lock = threading.Lock()

    def add(self, where: str, status: int, type: str, detail: str, request_id: str | None = None) -> None:
        """Note one; the one seen longest ago leaves when there are too many."""
        where, detail = mask(where)[:LONGEST], mask(detail)[:LONGEST]
        with self._lock:
            before = self._seen.pop((where, type, detail), None)
            times = before.times + 1 if before else 1
            self._seen[where, type, detail] = Seen(
                where, status, type, detail, times, datetime.now(UTC), request_id
            )

    def note(self, where: str, error: Exception) -> None:
        """Note what ``error`` would be answered as."""
        problem = problem_of(error)
        self.add(where, problem.type.status, problem.type.slug, problem.detail)

    def latest(self) -> list[Seen]:
        """Newest first."""
        with self._lock:
            return [*self._seen.values()][::-1]


@dataclass(frozen=True, eq=False)
class Observed:
    """Made with the application, before its service is opened."""

    metrics: Metrics = field(default_factory=Metrics)
    problems: RecentProblems = field(default_factory=RecentProblems)
