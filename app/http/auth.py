"""Who calls, and what they may do: API keys with roles, or this very machine where none is configured.

Keys come as ``Authorization: Bearer nominal_...`` or ``X-API-Key``. A key that was valid is believed for a moment, so
that an inspection need not wait for the database; one revoked through this server is refused at once.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Awaitable, Callable, Collection
from functools import partial
from typing import Annotated

from fastapi import Depends, Request
from starlette.requests import HTTPConnection

from app.errors import ForeignOrigin
from app.lifecycle import Service
from app.lifecycle.keys import LOCAL, Actor, require
from app.store.errors import KeyRefused
from app.store.schema import Role

ACTOR = "nominal.actor"  # in a scope: who calls, where an entrance before the routes has settled it
INSPECTED = "nominal.inspected"  # in a scope: is told of an inspection and its image before the answer
HOST = re.compile(r":\d*$")  # a Host header's port


async def identify(request: HTTPConnection, service: Service, text: str | None) -> Actor:
    """Who calls. Raises ``KeyRefused``, or ``ForeignOrigin`` where no key is configured and the call is not local."""
    admission = service.admission
    if text is not None:
        known = admission.remembered(text)
        return known if known is not None else await service.pools.background(partial(admission.verify, text))
    needed = admission.needed()
    if needed is None:
        needed = await service.pools.background(admission.look_up_needed)
    if needed or not is_loopback(service.settings.host):
        raise _no_key()
    refuse_foreign(request, service.settings.cors_origins)
    return Actor(LOCAL, "admin")


def refuse_foreign(request: HTTPConnection, origins: Collection[str]) -> None:
    """Raises ``ForeignOrigin`` for what a page of another site has the browser of this machine send.

    Without keys the address is the only guard, and a browser reaches it on behalf of every page it shows: directly
    (Sec-Fetch-Site, Origin) or under a name of the attacker's (Host; DNS rebinding). ``origins`` are welcome.
    """
    name = request.headers.get("host", "")
    caller = request.client.host if request.client is not None else "127.0.0.1"  # a socket of the file system
    site = request.headers.get("sec-fetch-site", "none")
    origin = request.headers.get("origin")
    scheme = request.scope["scheme"].replace("ws", "http")  # a page names itself, not its websocket
    here = origin in (None, f"{scheme}://{name}") and site in ("none", "same-origin")
    local = is_loopback(caller) and is_loopback(HOST.sub("", name).strip("[]"))
    if local and (here or origin in origins):
        return
    raise ForeignOrigin(
        requirement="without API keys only this machine may call, under its own name",
        received=f"the host {name[:80]!a}, from {(origin or site)[:80]!a}",
        remedy="Call http://127.0.0.1, or create a key with 'nominal keys create' and send it.",
    )


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches ``host``, an address or ``localhost``."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"


def key_of(request: Request) -> str | None:
    """The key a request comes with, in either of its two places."""
    scheme, _, text = request.headers.get("authorization", "").partition(" ")
    return text.strip() if scheme.lower() == "bearer" else request.headers.get("x-api-key")


def may(needed: Role) -> Callable[[Request], Awaitable[Actor]]:
    """The dependency of an operation that needs a role; it gives the ``Actor``.

    The console's entrance settles by session who calls, before the same routes below /console; then no key is read.
    """

    async def actor(request: Request) -> Actor:
        found: Actor | None = request.scope.get(ACTOR)
        if found is None:
            found = await identify(request, request.app.state.service, key_of(request))
        return require(found, needed)

    return actor


Reader = Annotated[Actor, Depends(may("read"))]
Inspector = Annotated[Actor, Depends(may("inspect"))]
Admin = Annotated[Actor, Depends(may("admin"))]


def _no_key() -> KeyRefused:
    return KeyRefused(
        requirement="a request needs a valid API key",
        received="none",
        remedy="Send the header 'Authorization: Bearer nominal_...' with a key of 'nominal keys create'.",
    )
