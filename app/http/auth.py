"""Who calls, and what they may do: API keys with roles, or this very machine where none is configured.

Keys come as ``Authorization: Bearer nominal_...`` or ``X-API-Key``. A key that was valid is believed for a moment, so
that an inspection need not wait for the database; one revoked through this server is refused at once.
"""

from __future__ import annotations

import hashlib
import ipaddress
import re
import threading
import time
from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass
from functools import partial
from typing import Annotated

from cachetools import TTLCache
from fastapi import Depends, Request
from starlette.requests import HTTPConnection

from app.errors import ForeignOrigin, RoleTooLow
from app.lifecycle.service import Service
from app.store.errors import KeyRefused
from app.store.keys import Keys, allows
from app.store.schema import Role

BELIEVED_SECONDS = 2.0
REMEMBERED = 1024  # keys
LOCAL = "local"
ANY = "any"
HOST = re.compile(r":\d*$")  # a Host header's port


@dataclass(frozen=True)
class Actor:
    """Who calls: a key's id, or ``local`` for this machine without keys."""

    id: str
    role: Role


class Admission:
    """Verifies keys, remembering the valid ones for ``BELIEVED_SECONDS`` by the digest of their text."""

    def __init__(self, keys: Keys, clock: Callable[[], float] = time.monotonic) -> None:
        self._keys = keys
        self._known: TTLCache[bytes, Actor] = TTLCache(REMEMBERED, BELIEVED_SECONDS, clock)
        self._any_valid: TTLCache[str, bool] = TTLCache(1, BELIEVED_SECONDS, clock)
        self._lock = threading.Lock()

    def remembered(self, text: str) -> Actor | None:
        """Who holds this key, if it was verified a moment ago."""
        return self._recall(_digest(text))

    def verify(self, text: str) -> Actor:
        """Who holds this key, by the database. Raises ``KeyRefused``."""
        key = self._keys.verify(text)
        return self._remember(_digest(text), Actor(key.id, key.role))

    def holder(self, id: str) -> Actor:
        """Who signed in with the key of this id, which must still be valid; by the database. Raises ``KeyRefused``."""
        if (known := self._recall(id.encode())) is not None:
            return known
        key = self._keys.valid(id)
        return self._remember(id.encode(), Actor(key.id, key.role))

    def needed(self) -> bool | None:
        """Whether any key is valid, if that was looked up a moment ago."""
        with self._lock:
            return self._any_valid.get(ANY)

    def look_up_needed(self) -> bool:
        """Whether any key is valid, by the database."""
        valid = self._keys.any_valid()
        with self._lock:
            self._any_valid[ANY] = valid
        return valid

    def forget(self) -> None:
        """A key has changed: believe nothing."""
        with self._lock:
            self._known.clear()
            self._any_valid.clear()

    def _recall(self, name: bytes) -> Actor | None:
        with self._lock:
            return self._known.get(name)

    def _remember(self, name: bytes, actor: Actor) -> Actor:
        with self._lock:
            self._known[name] = actor
        return actor


async def identify(request: HTTPConnection, service: Service, text: str | None) -> Actor:
    """Who calls. Raises ``KeyRefused``, or ``ForeignOrigin`` where no key is configured and the call is not local."""
    admission = service.admission
    if text is not None:
        known = admission.remembered(text)
        return known if known is not None else await service.in_background(partial(admission.verify, text))
    needed = admission.needed()
    if needed is None:
        needed = await service.in_background(admission.look_up_needed)
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
    """The dependency of an operation that needs a role; it gives the ``Actor``."""

    async def actor(request: Request) -> Actor:
        found = await identify(request, request.app.state.service, key_of(request))
        if not allows(found.role, needed):
            raise RoleTooLow(
                requirement=f"this operation needs the role {needed}",
                received=f"a key of the role {found.role}",
                remedy="Use a key of that role.",
            )
        return found

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


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode()).digest()
