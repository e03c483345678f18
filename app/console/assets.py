"""The console's own files, each under an address that changes with its content, so that browsers may keep it."""

from __future__ import annotations

import hashlib
from functools import cache
from pathlib import Path

from nicegui.version import __version__ as nicegui_version
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

STATIC = Path(__file__).parent / "static"
FOR_EVER = "public, max-age=31536000, immutable"
FONTS = f"/_nicegui/{nicegui_version}/static/fonts.css"
MOST_BYTES = 16 << 20  # of files kept


@cache
def asset(name: str) -> str:
    """The path of one of our files, under the console."""
    digest = hashlib.sha256((STATIC / name).read_bytes()).hexdigest()[:12]
    return f"/static/{name}?v={digest}"


class CacheAssets:
    """Files that never change under their address: kept by browsers, and here, ready to be sent again as they were.

    NiceGUI's files of one version, ours of one content. A page needs some twenty of them at once, and finding and
    compressing each anew would take longer than the page.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._kept: dict[tuple[str, bytes, bool], tuple[Message, bytes]] = {}
        self._bytes = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] != "GET" or not _is_fixed(scope):
            return await self._app(scope, receive, send)
        headers = Headers(scope=scope)
        key = scope["path"], scope["query_string"], "gzip" in headers.get("accept-encoding", "")
        if (kept := self._kept.get(key)) is not None and "range" not in headers:
            await send(kept[0])
            return await send({"type": "http.response.body", "body": kept[1]})
        start: Message = {}
        body = bytearray()

        async def sent(message: Message) -> None:
            if message["type"] == "http.response.start" and message["status"] == 200:
                start.update(message)
                MutableHeaders(scope=message)["Cache-Control"] = FOR_EVER
                start["headers"] = list(message["headers"])
            elif message["type"] == "http.response.body" and start:
                body.extend(message.get("body", b""))
                if not message.get("more_body", False):
                    self._keep(key, start, bytes(body))
            await send(message)

        await self._app(scope, receive, sent)

    def _keep(self, key: tuple[str, bytes, bool], start: Message, body: bytes) -> None:
        """Within bounds, which a browser of one kind stays far below."""
        if self._bytes + len(body) <= MOST_BYTES:
            self._bytes += len(body)
            self._kept[key] = start, body


def _is_fixed(scope: Scope) -> bool:
    path = scope["path"].removeprefix(scope.get("root_path", ""))
    return path.startswith(f"/_nicegui/{nicegui_version}/") or (
        path.startswith("/static/") and b"v=" in scope["query_string"]
    )
