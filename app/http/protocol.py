"""uvicorn's protocol with limits on what comes before and after a body: bytes, lines, number, time.

Each refused head is answered as a problem; what is idle, or does not send or read on, is closed. Counted is what the
parser was given since it last made something of it, so that a line without end is cut before it is long.
"""

from __future__ import annotations

import asyncio
import time
from typing import Any, ClassVar

import httptools
from starlette.types import Receive, Scope, Send
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from app.errors import AppError, ConnectionsFull, HeadTooLarge, HeadTooSlow, RequestUnreadable
from app.http.connections import Connections, Limits
from app.http.problems import as_bytes, respond

LINE_BYTES = 16 << 10  # of the request's line, and of each header
FIELDS = 256  # headers of a request
TRAILER_BYTES = 4 << 10  # after a body in chunks; nothing here reads them
BEGUN = "nominal.begun"  # in a scope: when the first byte of the request came, monotonic seconds
PROBES = (b"/livez", b"/readyz", b"/v2/health/live", b"/v2/health/ready")
LINGER_SECONDS, LINGER_BYTES = (
    1.0,
    1 << 20,
)  # that a refused client is heard out: closing with unread bytes destroys the answer


def guarded(limits: Limits) -> type[Guarded]:
    """The protocol for ``uvicorn.Config(http=...)``: its connections share these limits."""

    class Here(Guarded):
        places = Connections(limits)

    return Here


class Guarded(HttpToolsProtocol):
    """uvicorn's protocol, with limits on what comes before and after a body."""

    places: ClassVar[Connections]

    def __init__(self, *given: Any, **named: Any) -> None:
        super().__init__(*given, **named)
        self.address, self.spare = "", False
        self._in_head, self._refused = False, False
        self._head = self._fields = self._trailers = 0
        self._dropped = 0  # bytes since it was refused
        self._silent = 0  # bytes since the parser last made something of them
        self._reason: AppError | None = None
        self._head_timer: asyncio.TimerHandle | None = None
        self._stall_timer: asyncio.TimerHandle | None = None

    @property
    def _busy(self) -> bool:
        return self.cycle is not None and not self.cycle.response_complete

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        super().connection_made(transport)
        self.address = self.client[0] if self.client else ""
        if self.places.enter(self):
            self._expect_head()
        else:
            transport.abort()

    def cut(self) -> None:
        """Close it at once: another one needs the place."""
        self.transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_timers()
        self.places.leave(self)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Feed the parser, unless what it holds of one line is too long already."""
        if self._refused or self.transport.is_closing():
            return self._drop(data)
        self._unset_keepalive_if_required()
        if self._head_timer is None and not self._busy:
            self._expect_head()
        try:
            if self._silent > LINE_BYTES:
                raise self._too_large(f"a line of more than {LINE_BYTES} bytes")
            self._silent += len(data)
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            self.handle_websocket_upgrade() if self._should_upgrade() else self._unsupported_upgrade_warning()
        except httptools.HttpParserError:  # a refusal of the callbacks below among them
            self._refuse(self._reason or _unreadable())
        except HeadTooLarge as error:
            self._refuse(error)

    def handle_websocket_upgrade(self) -> None:
        """The websocket keeps the place until it is closed."""
        self._stop_timers()
        super().handle_websocket_upgrade()
        successor = self.transport.get_protocol()
        lost = successor.connection_lost

        def gone(error: Exception | None) -> None:
            self.places.leave(self)
            lost(error)

        successor.connection_lost = gone  # type: ignore[method-assign, assignment]

    # What the parser finds

    def on_message_begin(self) -> None:
        self._in_head, self._head, self._fields, self._trailers = True, 0, 0, 0
        super().on_message_begin()
        self.scope[BEGUN] = time.monotonic()  # type: ignore[literal-required]  # for deadlines

    def on_url(self, url: bytes) -> None:
        self._count(len(url))
        super().on_url(url)
        if len(self.url) > LINE_BYTES:
            raise self._too_large(f"a line of more than {LINE_BYTES} bytes")

    def on_header(self, name: bytes, value: bytes) -> None:
        size = len(name) + len(value) + 4
        if not self._in_head:  # after the body: counted and dropped
            self._silent = 0
            self._trailers += size
            if self._trailers > TRAILER_BYTES:
                raise self._too_large(f"trailers of more than {TRAILER_BYTES} bytes")
            return
        self._count(size)
        self._fields += 1
        if size > LINE_BYTES or self._fields > FIELDS:
            raise self._too_large(f"a longer header, or more than {FIELDS} of them")
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        self._in_head = False
        self._stop_head_timer()
        self.places.works(self)
        probe = self.url.partition(b"?")[0].endswith(PROBES)
        self.spare = self.spare and self.places.crowded()
        self.app = self._full if self.spare and not probe else self.config.loaded_app
        super().on_headers_complete()

    def on_chunk_header(self) -> None:
        self._silent = 0

    def on_body(self, body: bytes) -> None:
        self._silent = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        self._silent = 0
        super().on_message_complete()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if not self._busy and not self.transport.is_closing():
            self.places.rests(self)
            if self._in_head:
                self._expect_head()

    def _count(self, size: int) -> None:
        self._silent = 0
        self._head += size
        if self._head > self.places.limits.head_bytes:
            raise self._too_large(f"more than {self.places.limits.head_bytes} bytes")

    # Time

    def pause_writing(self) -> None:
        """The client does not read on: it may not keep the answer's memory for ever."""
        super().pause_writing()
        self._stall_timer = self.loop.call_later(self.places.limits.idle_seconds, self.transport.abort)

    def resume_writing(self) -> None:
        super().resume_writing()
        if self._stall_timer is not None:
            self._stall_timer.cancel()
            self._stall_timer = None

    def _expect_head(self) -> None:
        self._stop_head_timer()
        self._head_timer = self.loop.call_later(self.places.limits.head_seconds, self._head_is_late)

    def _head_is_late(self) -> None:
        self._head_timer = None
        if self._busy or self.transport.is_closing():
            return
        if self._in_head:
            self._refuse(_too_slow(self.places.limits.head_seconds))
        else:
            self.transport.close()

    def _stop_head_timer(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _stop_timers(self) -> None:
        self._stop_head_timer()
        if self._stall_timer is not None:
            self._stall_timer.cancel()

    # Refusals

    def _refuse(self, error: AppError) -> None:
        """Answer where nothing was answered yet, and close; what still comes is dropped unread."""
        self.places.complain(f"a request was refused: {type(error).__name__}", self.address)
        self._refused = True
        self._stop_timers()
        begun = self._busy and self.cycle.response_started
        if self._busy:
            self.cycle.disconnected = True
            self.cycle.message_event.set()
        if not begun:
            self.transport.write(as_bytes(error))
        self.loop.call_later(LINGER_SECONDS, self.transport.close)

    def _drop(self, data: bytes) -> None:
        self._dropped += len(data)
        if self._dropped > LINGER_BYTES:
            self.transport.abort()

    def _too_large(self, received: str) -> HeadTooLarge:
        self._reason = HeadTooLarge(
            requirement=f"line and headers may have {self.places.limits.head_bytes} bytes, each {LINE_BYTES}",
            received=received,
            remedy="Send shorter headers; values belong in the body.",
        )
        return self._reason

    async def _full(self, scope: Scope, receive: Receive, send: Send) -> None:
        full = ConnectionsFull.within(1, f"at most {self.places.limits.connections} connections", "one more")
        self.places.complain("too many connections", self.address)
        response = respond(scope, full)
        response.headers["Connection"] = "close"
        await response(scope, receive, send)


def _unreadable() -> RequestUnreadable:
    return RequestUnreadable(
        "a request must be HTTP/1.1", "something else", "Check the address, and whether it is http or https."
    )


def _too_slow(seconds: float) -> HeadTooSlow:
    return HeadTooSlow(
        requirement=f"a request's line and headers must come within {seconds:g} s",
        received="a part of them",
        remedy="Send it again over a better connection.",
    )
