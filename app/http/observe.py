"""Pure ASGI: what is seen of every request from outside, once its answer is complete."""

from __future__ import annotations

import logging
import re
import time
import uuid
from collections.abc import Callable
from typing import Any

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.ops.logs import request_id
from app.ops.observed import Observed

HEADER = "X-Request-ID"
RAW_HEADER = HEADER.lower().encode("ascii")
SANE_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")

access = logging.getLogger("app.access")


class Observe:
    """Gives every request an id and echoes it; counts it while it is answered; then logs it, and counts what it became.

    ``X-Request-ID`` is taken from the client when it is at most 64 letters, digits, dots, dashes and underscores; else
    made. It is stored in ``scope["state"]["request_id"]`` and in every record logged meanwhile.
    """

    def __init__(
        self, app: ASGIApp, observed: Observed, clock: Callable[[], float] = time.perf_counter
    ) -> None:
        self._app, self._observed, self._clock = app, observed, clock

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self._app(scope, receive, send)
        name = _request_id(Headers(scope=scope))
        scope.setdefault("state", {})["request_id"] = name
        status, size = None, 0

        async def sent(message: Message) -> None:
            nonlocal status, size
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", ()), (RAW_HEADER, name.encode("ascii"))]
                status = message["status"]
            elif message["type"] == "http.response.body":
                size += len(message.get("body", b""))
            await send(message)

        token, started = request_id.set(name), self._clock()
        try:
            with self._observed.in_flight, self._observed.metrics.requests_in_flight.track_inprogress():
                await self._app(scope, receive, sent)
        finally:
            self._note(scope, status, size, self._clock() - started)
            request_id.reset(token)

    def _note(self, scope: Scope, status: int | None, size: int, seconds: float) -> None:
        method, path, state = scope["method"], scope["path"], scope["state"]
        extra: dict[str, Any] = {
            "method": method,
            "path": path,
            "status": status,
            "bytes": size,
            "milliseconds": round(seconds * 1e3, 2),
            "client": scope["client"][0] if scope.get("client") else None,
        }
        slug = state.get("problem")
        if slug is not None:
            extra["problem"] = slug
        level = logging.ERROR if (status or 500) >= 500 else logging.INFO
        access.log(level, "%s %s %s", method, path, status or "no answer", extra=extra)
        route = getattr(scope.get("route"), "path", None) or "unmatched"
        self._observed.metrics.request_answered(
            method, route, status or 499, seconds, slug
        )  # 499: client gone
        if (problem := state.get("answered")) is not None:
            said = problem.type.status, problem.type.slug, problem.detail
            self._observed.problems.add(f"{method} {path}", *said, state["request_id"])


def _request_id(headers: Headers) -> str:
    given = headers.get(HEADER, "")
    return given if SANE_ID.fullmatch(given) else uuid.uuid4().hex
