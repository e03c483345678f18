"""A call as a value: what to send, how to read the answer, whether it may be sent again. No I/O happens here.

Both clients send the same descriptions, which the modules of this package make, grouped by noun. A ``Flow`` is a call
of several steps: a generator that yields calls and receives their answers. ``Pages`` is a list read page by page.
The key goes only to the named server: redirects are not followed, and links in answers are paths of that server.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Callable, Generator, Hashable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Generic, Literal, NoReturn, TypeVar, cast
from urllib.parse import quote

import httpx
from pydantic import BaseModel, TypeAdapter, ValidationError

from nominal_client.answers import Page
from nominal_client.errors import BadArgument, ConnectionFailed, ProblemError, UnexpectedAnswer
from nominal_client.streams import Body, Sink

T = TypeVar("T")
M = TypeVar("M", bound=BaseModel)
QUICK = 30.0  # seconds of silence after which an answer is given up
SLOW = 600.0  # for calls that load a bank or take in files
CONNECT_SECONDS = 5.0
__version__ = "0.1.0"  # of this distribution; the server's is the same
URL, KEY = "NOMINAL_URL", "NOMINAL_API_KEY"
LOCAL = "http://127.0.0.1:8000"
NOT_SENT = (
    httpx.ConnectError,
    httpx.ConnectTimeout,
    httpx.PoolTimeout,
    httpx.UnsupportedProtocol,
    httpx.ProxyError,
)

Params = Mapping[str, Any]
Parse = Callable[[httpx.Response], T]


@dataclass(frozen=True)
class Pause:
    """A step of a flow: wait."""

    seconds: float


@dataclass(frozen=True)
class Call(Generic[T]):
    """``params`` and ``headers`` that are None are left out. ``within`` bounds all attempts together, in seconds.

    ``sink`` reads a streamed answer in place of ``parse``. ``answers`` are statuses from 400 on that are not errors.
    ``repeatable``: sending it twice does the same as sending it once; by default GET, PUT and DELETE.
    """

    method: Literal["GET", "POST", "PUT", "PATCH", "DELETE"]
    path: str
    parse: Parse[T]
    params: Params = field(default_factory=dict)
    headers: Mapping[str, str | None] = field(default_factory=dict)
    body: Body | None = None
    sink: Callable[[httpx.Headers], Sink[T]] | None = None
    answers: tuple[int, ...] = ()
    repeatable: bool | None = None
    silence: float = QUICK
    within: float | None = None

    @property
    def may_repeat(self) -> bool:
        """Whether it may be sent again although it may have been done."""
        return self.method in ("GET", "PUT", "DELETE") if self.repeatable is None else self.repeatable

    def __iter__(self) -> Flow[T]:
        """As the only step of a flow, so that ``yield from call`` is its answer."""
        answer: T = yield self
        return answer


Flow = Generator[Call[Any] | Pause, Any, T]


@dataclass(frozen=True)
class Pages(Generic[T]):
    """Requested page by page, each with the cursor that the page before gave."""

    at: Callable[[str | None], Call[Page[T]]]


def pages_of(model: type[M], path: str, cursor: str, params: Params | None = None) -> Pages[M]:
    """The list at ``path``; ``cursor`` is the parameter's name."""
    parse = parsed(Page[model])  # type: ignore[valid-type]  # a model made at run time
    chosen = {"limit": 1000, **(params or {})}
    return Pages(lambda after: Call("GET", path, parse, {**chosen, cursor: after}))


def get(kind: type[T], form: str, /, *parts: str | int, **params: Any) -> Call[T]:
    """A GET whose JSON answer is a ``kind``, or whose bytes are wanted."""
    return Call("GET", at(form, *parts), parsed(kind), params)


def post(kind: type[T], form: str, /, *parts: str | int, **others: Any) -> Call[T]:
    """A POST whose JSON answer is a ``kind``; ``others`` are fields of ``Call``."""
    return Call("POST", at(form, *parts), parsed(kind), **others)


def parsed(kind: type[T]) -> Parse[T]:
    """Reads JSON as ``kind``, a model or a list of them; bytes as they are. Ignores what a newer server adds."""

    def parse(response: httpx.Response) -> T:
        if kind is bytes:
            return cast(T, response.content)
        try:
            read: T = _adapter(cast(Hashable, kind)).validate_json(response.content)
            return read
        except ValidationError as error:
            name = getattr(kind, "__name__", "answer")
            raise unexpected(response, f"{error.error_count()} faults reading a {name}") from error

    return parse


@cache
def _adapter(kind: Any) -> TypeAdapter[Any]:
    return TypeAdapter(kind)


def nothing(response: httpx.Response) -> None:
    """The parser of an answer without content."""


def never(response: httpx.Response) -> NoReturn:
    """The parser of an answer that a sink reads."""
    raise AssertionError("a sink reads this answer")


def at(form: str, *parts: str | int) -> str:
    """``form`` with a path segment for each ``{}``. Raises BadArgument for a part that would change the path."""
    for part in parts:
        if str(part) in ("", ".", ".."):
            raise BadArgument(
                "an id must be text other than dots", repr(part), "Give an id that a list shows."
            )
    return form.format(*(quote(str(part), safe="") for part in parts))


def options(url: str | None, key: str | None) -> dict[str, Any]:
    """Arguments of httpx's clients. The environment stands in for a missing ``url`` or ``key``. Raises BadArgument."""
    base = _checked_url(url or os.environ.get(URL) or LOCAL)
    key = key or os.environ.get(KEY)
    headers = {"User-Agent": f"nominal-client/{__version__}", "Accept": "application/json"}
    if key:
        headers["Authorization"] = f"Bearer {_checked_key(key)}"
    local = base.host in ("localhost", "127.0.0.1", "::1")  # no proxy stands between this machine and itself
    return {"base_url": base, "headers": headers, "follow_redirects": False, "trust_env": not local}


def request_of(call: Call[Any], build: Callable[..., httpx.Request], stack: ExitStack) -> httpx.Request:
    """The request of one attempt; ``stack`` closes the files it reads."""
    given = call.body(stack) if call.body is not None else {}
    stream = given.pop("stream", None)
    headers = {**given.pop("headers", {}), **{k: v for k, v in call.headers.items() if v is not None}}
    params = {name: value for name, value in call.params.items() if value is not None}
    timeout = httpx.Timeout(call.silence, connect=CONNECT_SECONDS)
    request = build(call.method, call.path, params=params, headers=headers, timeout=timeout, **given)
    if stream is not None:
        request.stream = stream
    return request


def answer(call: Call[T], response: httpx.Response) -> T:
    """The content of an answer that was read. Raises ProblemError and UnexpectedAnswer."""
    if response.is_success or response.status_code in call.answers:
        return call.parse(response)
    if response.status_code < 400:
        raise unexpected(response, f"a redirect to {response.headers.get('location', 'nowhere')[:200]!a}")
    raise ProblemError(response.status_code, _problem(response), _retry_after(response))


def unexpected(response: httpx.Response, received: str) -> UnexpectedAnswer:
    """The error for an answer that cannot be read."""
    return UnexpectedAnswer(
        requirement=f"a Nominal server of this release must answer {response.request.url.path}",
        received=f"{received}, with status {response.status_code}",
        remedy="Check the address, and that client and server are of one release.",
    )


def failure(call: Call[Any], error: httpx.TransportError, base: httpx.URL) -> ConnectionFailed:
    """The error for a call that has no answer."""
    silent = "nothing for too long" if isinstance(error, httpx.TimeoutException) else "a broken connection"
    return ConnectionFailed(
        requirement=f"a server at {str(base).rstrip('/')} must answer {call.method} {call.path}",
        received=f"{type(error).__name__}: {str(error) or silent}",
        remedy=f"Check that the server runs there; --url or {URL} names another address.",
        sent=not isinstance(error, NOT_SENT),
    )


def _problem(response: httpx.Response) -> dict[str, Any]:
    """The answer's problem; only the status where a proxy answered with a page."""
    if response.headers.get("content-type", "").startswith("application/problem+json"):
        try:
            problem = json.loads(response.content)
        except ValueError:
            problem = None
        if isinstance(problem, dict):
            return problem
    return {"title": response.reason_phrase or f"HTTP {response.status_code}"}


def _retry_after(response: httpx.Response) -> float | None:
    """Seconds; the form with a date, which no Nominal server sends, counts as none."""
    try:
        seconds = float(response.headers.get("retry-after", ""))
    except ValueError:
        return None
    return seconds if 0 <= seconds < math.inf else None


def _checked_url(text: str) -> httpx.URL:
    try:
        url = httpx.URL(text)
    except httpx.InvalidURL:
        url = httpx.URL()
    if url.scheme in ("http", "https") and url.host and not (url.query or url.fragment or url.userinfo):
        return url
    raise BadArgument(
        requirement="the server's address must be an http or https URL without query or password",
        received=ascii(text[:200]) if "@" not in text else "another",
        remedy=f"Give one such as {LOCAL}.",
    )


def _checked_key(key: str) -> str:
    if key.isascii() and key.isprintable() and " " not in key:
        return key
    raise BadArgument(
        requirement="an API key must be printable ASCII without spaces",
        received="other text",
        remedy=f"Give the key as 'nominal keys create' printed it; {KEY} may hold it.",
    )
