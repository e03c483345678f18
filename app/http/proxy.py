"""What a trusted proxy says of a request: whose it is, over which scheme, and under which path it shows this server.

``X-Forwarded-For`` and ``X-Forwarded-Proto`` are read by uvicorn's middleware; ``X-Forwarded-Prefix`` here, in place of
``NOMINAL_ROOT_PATH``, and taken out of the request: NiceGUI would add it again, and believe it of anybody. Trusted are
loopback and the addresses of ``FORWARDED_ALLOW_IPS``; from others all three count for nothing.
"""

from __future__ import annotations

import os
import re

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from app.errors import FieldInvalid
from app.http.problems import respond
from app.settings import OWN_PATHS, ROOT_PATH

PREFIX = "X-Forwarded-Prefix"
RAW_PREFIX = PREFIX.lower().encode("ascii")
LOOPBACK = "127.0.0.1,::1"


class BehindProxy:
    """Takes what comes under a path that a proxy shows, which it may have stripped, as a request for that path."""

    def __init__(self, app: ASGIApp, root: str, trusted: str | None = None) -> None:
        """root: the path where no proxy names one. trusted: addresses and networks; None for the environment's."""
        trusted = os.environ.get("FORWARDED_ALLOW_IPS", LOOPBACK) if trusted is None else trusted
        self._app, self._root = app, root
        self._forwarded = ProxyHeadersMiddleware(app, trusted)  # type: ignore[arg-type]  # two names of one protocol
        self._trusted = self._forwarded.trusted_hosts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            return await self._app(scope, receive, send)
        root = self._prefix(scope)
        if root is None:
            return await _refuse(scope, receive, send)
        scope["headers"] = [each for each in scope["headers"] if each[0] != RAW_PREFIX]
        if root:
            _show_under(scope, root)
        await self._forwarded(scope, receive, send)  # type: ignore[arg-type]

    def _prefix(self, scope: Scope) -> str | None:
        """The path to show; None where a trusted proxy names one that cannot be."""
        peer = scope["client"][0] if scope.get("client") else None
        given = Headers(scope=scope).get(PREFIX) if peer in self._trusted else None
        if given is None:
            return self._root
        root = given.strip().rstrip("/")
        return root if re.fullmatch(ROOT_PATH, root) and root.split("/")[1:2] not in OWN_PATHS else None


def _show_under(scope: Scope, root: str) -> None:
    path = scope["path"]
    scope["root_path"] = root
    if not (path == root or path.startswith(root + "/")):
        scope["path"] = root + path
        scope["raw_path"] = root.encode("ascii") + scope.get("raw_path", b"")


async def _refuse(scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] == "websocket":
        return await send({"type": "websocket.close", "code": 1008, "reason": ""})
    error = FieldInvalid(
        requirement=f"{PREFIX} must be one path, such as /nominal, that does not begin with a path of this server",
        received=ascii(Headers(scope=scope).get(PREFIX, "")[:80]),
        remedy="Correct the proxy's configuration: docs/operations.md has one.",
    )
    await respond(scope, error)(scope, receive, send)
