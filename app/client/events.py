"""Server-sent events (WHATWG HTML, 9.2) of a job: each is the whole job as JSON, the last is named ``end``."""

from __future__ import annotations

import time
from collections.abc import Callable
from types import TracebackType
from typing import Self

import httpx
from pydantic import ValidationError

from app.client.errors import UnexpectedAnswer
from app.http.schemas.jobs import Job

LONGEST = 1 << 20  # bytes of one event


class JobEvents:
    """A sink; its result is the job as the stream last told it, None where it told nothing.

    ``end`` is the monotonic second after which no more is waited for.
    """

    def __init__(self, headers: httpx.Headers, progress: Callable[[Job], None], end: float) -> None:
        if not headers.get("content-type", "").startswith("text/event-stream"):
            raise _foreign(f"the type {headers.get('content-type')!a}")
        self._progress, self._end = progress, end
        self._pending = b""
        self._job: Job | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Holds nothing."""

    def feed(self, chunk: bytes) -> bool:
        """Whether the job has ended, or nobody waits for it any more."""
        self._pending += chunk.replace(b"\r\n", b"\n")
        *whole, self._pending = self._pending.split(b"\n\n")
        if len(self._pending) > LONGEST:
            raise _foreign("an event without end")
        for block in whole:
            self._take(block)
        late = time.monotonic() >= self._end
        return late or (self._job is not None and has_ended(self._job))

    def result(self) -> Job | None:
        return self._job

    def _take(self, block: bytes) -> None:
        data = [line[5:].removeprefix(b" ") for line in block.split(b"\n") if line.startswith(b"data:")]
        if not data:
            return  # a comment, which keeps the connection alive
        try:
            self._job = Job.model_validate_json(b"\n".join(data))
        except ValidationError as error:
            raise _foreign("an event that is no job") from error
        self._progress(self._job)


def has_ended(job: Job) -> bool:
    """Whether nothing more comes of it."""
    return job.state not in ("queued", "running")


def _foreign(received: str) -> UnexpectedAnswer:
    return UnexpectedAnswer(
        requirement="a job's events must be a stream of server-sent events",
        received=received,
        remedy="Check what stands between client and server; the job can be polled.",
    )
