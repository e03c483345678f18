"""Pure ASGI middleware that bounds request bodies: in bytes, with or without Content-Length, and in time.

A body may pause for ``patience`` seconds at most, and over all must come at ``rate`` bytes per second after as long
(like Apache's mod_reqtimeout). Only waiting for the client counts, not the time the service takes to read on. A
refused client is heard out for a moment, because closing a connection with unread bytes destroys the answer.

A body with a Content-Encoding is refused by that name: nothing here unpacks one.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from starlette.datastructures import Headers
from starlette.requests import ClientDisconnect, Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.errors import AppError, BadContentLength, BodyTooLarge, BodyTooSlow, MediaTypeUnsupported
from app.http.problems import respond
from app.settings import Settings

R = TypeVar("R")

JSON_BYTES = 1 << 20  # of a body that is not a file
LINGER_SECONDS, LINGER_BYTES = 2.0, 64 << 20
END_OF_QUOTA = "nominal.end_of_quota"  # in a scope's state: takes a body's bytes once its request has ended


def body_limit(settings: Settings, scope: Scope) -> int:
    """Bytes that a request's body may have, by what is asked for."""
    path, form = scope["path"], 1 << 20  # a form's own bytes
    if scope["method"] == "PUT" and path.endswith("/mask"):
        return settings.max_image_bytes
    if scope["method"] != "POST":
        return JSON_BYTES
    if path.endswith("/inspect"):
        return settings.max_image_bytes + form
    if path.endswith(("/inspect/batch", "/infer")):
        return min(settings.max_body_bytes, settings.memory_bytes // 2)
    if path.endswith("/images"):
        return settings.max_body_bytes
    return settings.bank_memory_bytes if path.endswith("/import") else JSON_BYTES


class BoundBodies:
    """limit_of: bytes that a request may have, by its scope. patience: seconds. rate: bytes per second at least."""

    def __init__(
        self,
        app: ASGIApp,
        limit_of: Callable[[Scope], int],
        patience: float = 20.0,
        rate: int = 1024,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._app, self._limit_of = app, limit_of
        self._patience, self._rate, self._clock = patience, rate, clock

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self._app(scope, receive, send)
        body = _Body(self._limit_of(scope), self._patience, self._rate, self._clock, receive, send)
        state = scope.setdefault("state", {})
        try:
            body.check_headers(Headers(scope=scope))
            await self._app(scope, body.receive, body.send)
        except Exception:
            if body.refusal is None or body.answered:
                raise
        finally:
            if END_OF_QUOTA in state:
                state[END_OF_QUOTA](body.bytes)
        if body.refusal is not None and not body.answered:
            await _refuse(scope, receive, send, body.refusal)


class _Body:
    """One request's body. Once it is refused, an answer that the service has not begun is held back."""

    def __init__(
        self, limit: int, patience: float, rate: int, clock: Callable[[], float], receive: Receive, send: Send
    ) -> None:
        self._limit, self._patience, self._rate, self._clock = limit, patience, rate, clock
        self._receive, self._send = receive, send
        self.bytes, self._waited, self._complete = 0, 0.0, False
        self.refusal: AppError | None = None
        self.answered = False

    def check_headers(self, headers: Headers) -> None:
        """Refuses by Content-Encoding and Content-Length, before a byte of the body is read."""
        encoding = headers.get("content-encoding", "identity").strip().lower()
        if encoding not in ("", "identity") and _has_body(headers):
            raise self._refused(_encoded(encoding))
        length = headers.get("content-length", "0")
        if not (length.isascii() and length.isdigit()):
            raise self._refused(_bad_length())
        if int(length) > self._limit:
            raise self._refused(_too_large(self._limit))

    async def receive(self) -> Message:
        if self.refusal is not None:
            raise self.refusal
        message = await self._receive() if self._complete else await self._next()
        if message["type"] == "http.request":
            self.bytes += len(message.get("body", b""))
            self._complete = not message.get("more_body", False)
            if self.bytes > self._limit:
                raise self._refused(_too_large(self._limit))
        return message

    async def send(self, message: Message) -> None:
        if self.refusal is None or self.answered:
            self.answered = True
            await self._send(message)

    async def _next(self) -> Message:
        started = self._clock()
        left = self._patience + self.bytes / self._rate - self._waited
        try:
            if left <= 0:
                raise TimeoutError
            async with asyncio.timeout(min(self._patience, left)):
                message = await self._receive()
        except TimeoutError:
            raise self._refused(_too_slow(self._patience, self._rate)) from None
        self._waited += self._clock() - started
        return message

    def _refused(self, error: AppError) -> AppError:
        self.refusal = error
        return error


async def _refuse(scope: Scope, receive: Receive, send: Send, error: AppError) -> None:
    """Sends the problem, then hears the client out before the answer ends and the connection closes."""
    response = respond(scope, error)
    response.headers["Connection"] = "close"
    await send(
        {"type": "http.response.start", "status": response.status_code, "headers": response.raw_headers}
    )
    await send({"type": "http.response.body", "body": bytes(response.body), "more_body": True})
    if isinstance(error, BodyTooLarge | MediaTypeUnsupported):
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(LINGER_SECONDS):
                await _hear_out(receive)
    await send({"type": "http.response.body", "body": b"", "more_body": False})


async def _hear_out(receive: Receive) -> None:
    left = LINGER_BYTES
    while left > 0:
        message = await receive()
        left -= len(message.get("body", b""))
        if not message.get("more_body", False):
            return


def _has_body(headers: Headers) -> bool:
    return headers.get("content-length", "0") != "0" or "transfer-encoding" in headers


def _encoded(encoding: str) -> MediaTypeUnsupported:
    return MediaTypeUnsupported(
        requirement="a request's body must come as it is, without Content-Encoding",
        received=f"Content-Encoding: {ascii(encoding[:80])[1:-1]}",
        remedy="Send the image or JSON itself; only an archive of images may be a .tar.gz, without this header.",
    )


def _too_large(limit: int) -> BodyTooLarge:
    return BodyTooLarge(f"this request's body may have {limit} bytes", "more", "Send it in parts.")


def _too_slow(patience: float, rate: int) -> BodyTooSlow:
    return BodyTooSlow(
        requirement=f"a body may pause for {patience:g} s and must come at {rate} bytes per second",
        received="one that is slower",
        remedy="Send it again over a better connection.",
    )


def _bad_length() -> BadContentLength:
    return BadContentLength(
        "Content-Length must be a whole number of bytes", "something else", "Let the HTTP client set it."
    )


async def unless_disconnected(request: Request, work: Coroutine[Any, Any, R]) -> R:
    """What ``work`` returns; when the client hangs up first, cancels it and raises ``ClientDisconnect``.

    The request's body must have been read to its end.
    """
    task, gone = asyncio.current_task(), asyncio.create_task(_disconnect(request.receive))
    assert task is not None
    left = False

    def leave(watch: asyncio.Task[None]) -> None:
        nonlocal left
        if not watch.cancelled() and watch.exception() is None:
            left = True
            task.cancel()

    gone.add_done_callback(leave)
    try:
        return await work
    except asyncio.CancelledError:
        if left and task.uncancel() == 0:
            raise ClientDisconnect from None
        raise
    finally:
        gone.remove_done_callback(leave)
        gone.cancel()


async def _disconnect(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
