"""A call as a value: what to send, how to read the answer, whether it may be sent again. No I/O happens here.

Both clients send the same descriptions, made by the modules of this package, one noun each. A ``Flow`` is a call of
several steps, a generator that yields calls and is given their answers; ``Pages`` is a list read page by page.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Hashable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Generic, Literal, Protocol, TypeVar, cast
from urllib.parse import quote

import httpx
from pydantic import BaseModel, TypeAdapter, ValidationError

from app.client.bodies import Body
from app.client.errors import BadArgument, UnexpectedAnswer
from app.http.schemas.common import Page

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)
M = TypeVar("M", bound=BaseModel)
QUICK = 30.0  # seconds of silence after which an answer is given up
SLOW = 600.0  # for what loads a bank or takes in files

Method = Literal["GET", "POST", "PATCH", "DELETE"]
Params = Mapping[str, Any]
Parse = Callable[[httpx.Response], T]


class Sink(Protocol[T_co]):
    """Takes an answer piece by piece."""

    def feed(self, chunk: bytes) -> bool:
        """Whether enough has come."""
        ...

    def result(self) -> T_co:
        """What the answer came to."""
        ...


@dataclass(frozen=True)
class Call(Generic[T]):
    """``params`` and ``headers`` that are None are left out. ``within`` bounds all attempts together, in seconds.

    ``sink`` reads a streamed answer in place of ``parse``. ``answers`` are statuses from 400 on that are no errors.
    ``repeatable``: sent twice it does what it does once; by default GET and DELETE.
    """

    method: Method
    path: str
    parse: Parse[T]
    params: Params = field(default_factory=dict)
    headers: Mapping[str, str | None] = field(default_factory=dict)
    body: Body | None = None
    sink: Callable[[httpx.Headers], AbstractContextManager[Sink[T]]] | None = None
    answers: tuple[int, ...] = ()
    repeatable: bool | None = None
    silence: float = QUICK
    within: float | None = None

    @property
    def may_repeat(self) -> bool:
        """Whether it may be sent again although it may have been done."""
        return self.method in ("GET", "DELETE") if self.repeatable is None else self.repeatable


@dataclass(frozen=True)
class Pause:
    """A step of a flow: wait."""

    seconds: float


Flow = Generator[Call[Any] | Pause, Any, T]


@dataclass(frozen=True)
class Pages(Generic[T]):
    """Asked for page by page, by the cursor that the page before gave."""

    at: Callable[[str | None], Call[Page[T]]]


def pages_of(model: type[M], path: str, cursor: str, params: Params | None = None) -> Pages[M]:
    """The list at ``path``; ``cursor`` is the parameter's name."""
    parse = parsed(Page[model])  # type: ignore[valid-type]  # a model made at run time
    chosen = {"limit": 1000, **(params or {})}
    return Pages(lambda after: Call("GET", path, parse, {**chosen, cursor: after}))


def parsed(kind: type[T]) -> Parse[T]:
    """Reads JSON as ``kind``, a model or a list of them. What a newer server adds is passed over."""

    def parse(response: httpx.Response) -> T:
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


def content(response: httpx.Response) -> bytes:
    """The answer's bytes."""
    return response.content


def nothing(response: httpx.Response) -> None:
    """Of an answer that says nothing."""


def at(form: str, *parts: str | int) -> str:
    """``form`` with a path segment for each ``{}``. Raises BadArgument for what would be another path."""
    for part in parts:
        if str(part) in ("", ".", ".."):
            raise BadArgument(
                requirement="an id must be some text, and no dots alone",
                received=repr(part),
                remedy="Give the id that a list names.",
            )
    return form.format(*(quote(str(part), safe="") for part in parts))


def unexpected(response: httpx.Response, received: str) -> UnexpectedAnswer:
    """The error for an answer that cannot be read."""
    return UnexpectedAnswer(
        requirement=f"a Nominal server of this release must answer {response.request.url.path}",
        received=f"{received}, with status {response.status_code}",
        remedy="Check the address, and that client and server are of one release.",
    )
