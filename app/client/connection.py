"""What both clients share of HTTP: address, key, one request from one call, one error from one failure.

The key goes to the one server that was named: redirects are not followed, answers' links are paths of that server.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any, TypeVar

import httpx

from app import __version__
from app.client.bodies import OneFile
from app.client.call import Call, unexpected
from app.client.errors import BadArgument, ConnectionFailed, ProblemError

T = TypeVar("T")
URL, KEY = "NOMINAL_URL", "NOMINAL_API_KEY"
LOCAL = "http://127.0.0.1:8000"
CONNECT_SECONDS = 5.0
NOT_SENT = (
    httpx.ConnectError,
    httpx.ConnectTimeout,
    httpx.PoolTimeout,
    httpx.UnsupportedProtocol,
    httpx.ProxyError,
)


def options(url: str | None, key: str | None) -> dict[str, Any]:
    """Arguments of httpx's clients. Without ``url`` or ``key`` the environment's are taken. Raises BadArgument."""
    base = _checked_url(url or os.environ.get(URL) or LOCAL)
    key = key or os.environ.get(KEY)
    headers = {"User-Agent": f"nominal-client/{__version__}", "Accept": "application/json"}
    if key:
        headers["Authorization"] = f"Bearer {_checked_key(key)}"
    local = base.host in ("localhost", "127.0.0.1", "::1")  # no proxy stands between this machine and itself
    return {"base_url": base, "headers": headers, "follow_redirects": False, "trust_env": not local}


def request_of(call: Call[Any], build: Callable[..., httpx.Request], stack: ExitStack) -> httpx.Request:
    """The request of one attempt; ``stack`` closes the files it reads."""
    given = call.body.arguments(stack) if call.body is not None else {}
    headers = {**given.pop("headers", {}), **{k: v for k, v in call.headers.items() if v is not None}}
    params = {name: value for name, value in call.params.items() if value is not None}
    timeout = httpx.Timeout(call.silence, connect=CONNECT_SECONDS)
    request = build(call.method, call.path, params=params, headers=headers, timeout=timeout, **given)
    if isinstance(call.body, OneFile):
        request.stream = call.body.stream(stack)
    return request


def answer(call: Call[T], response: httpx.Response) -> T:
    """What a read answer says. Raises ProblemError and UnexpectedAnswer."""
    if response.is_success or response.status_code in call.answers:
        return call.parse(response)
    if response.status_code < 400:
        raise unexpected(response, f"a redirect to {response.headers.get('location', 'nowhere')[:200]!a}")
    raise ProblemError(response.status_code, _problem(response), _retry_after(response))


def failure(call: Call[Any], error: httpx.TransportError, base: httpx.URL) -> ConnectionFailed:
    """The error for a call that has no answer."""
    reason = str(error) or "nothing for too long" if isinstance(error, httpx.TimeoutException) else str(error)
    return ConnectionFailed(
        requirement=f"a server at {str(base).rstrip('/')} must answer {call.method} {call.path}",
        received=f"{type(error).__name__}: {reason or 'a connection that broke off'}",
        remedy=f"Check that the server runs there; --url or {URL} names another address.",
        sent=not isinstance(error, NOT_SENT),
    )


def _problem(response: httpx.Response) -> dict[str, Any]:
    """The answer's problem; of a proxy's page the status alone."""
    try:
        problem = json.loads(response.content)
    except ValueError:
        problem = None
    if isinstance(problem, dict) and response.headers.get("content-type", "").startswith(
        "application/problem+json"
    ):
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
