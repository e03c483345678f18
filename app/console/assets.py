"""The console's own files, each under an address that changes with its content, so that browsers may keep it."""

from __future__ import annotations

import hashlib
from functools import cache
from pathlib import Path

from nicegui.version import __version__ as nicegui_version
from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

STATIC = Path(__file__).parent / "static"
FOR_EVER = "public, max-age=31536000, immutable"


@cache
def asset(name: str) -> str:
    """The path of one of our files, under the console."""
    digest = hashlib.sha256((STATIC / name).read_bytes()).hexdigest()[:12]
    return f"/static/{name}?v={digest}"


class CacheAssets:
    """Lets browsers keep what never changes under its address: NiceGUI's files of one version, ours of one content."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = scope["path"].removeprefix(scope.get("root_path", ""))
        fixed = path.startswith(f"/_nicegui/{nicegui_version}/") or (
            path.startswith("/static/") and b"v=" in scope.get("query_string", b"")
        )

        async def sent(message: Message) -> None:
            if fixed and message["type"] == "http.response.start" and message["status"] == 200:
                MutableHeaders(scope=message)["Cache-Control"] = FOR_EVER
            await send(message)

        await self._app(scope, receive, sent)
