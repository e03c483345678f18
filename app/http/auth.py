"""Who calls, and what they may do: API keys with roles and scopes, or this very machine where none was ever made.

Keys come as ``Authorization: Bearer nominal_...`` or ``X-API-Key``. A key that was valid is believed for a moment, so
that an inspection need not wait for the database; one revoked through this server is refused at once.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Awaitable, Callable, Collection
from dataclasses import replace
from functools import partial
from typing import Annotated

from fastapi import Depends, Request
from starlette.requests import HTTPConnection

from app.errors import ForeignOrigin
from app.http.bodies import END_OF_QUOTA
from app.lifecycle import Service
from app.lifecycle.keys import LOCAL, Actor, require
from app.store.errors import KeyRefused
from app.store.inspections import Filter
from app.store.schema import Role
from app.store.scope import Scope

ACTOR = "nominal.actor"  # in a scope: who calls, where an entrance before the routes has settled it
INSPECTED = "nominal.inspected"  # in a scope: is told of an inspection and its image before the answer
HOST = re.compile(r":\d*$")  # a Host header's port
FORWARDED_PREFIXES = (
    "x-forwarded",
    "x-original-",
    "x-envoy-",
    "x-azure-",
    "cf-",
    "fastly-",
    "x-amz",
    "x-goog",
)
FORWARDED = {
    "via", "forwarded", "x-real-ip", "x-client-ip", "client-ip", "true-client-ip", "x-cluster-client-ip",
    "x-proxyuser-ip", "x-remote-ip", "x-remote-addr", "x-host", "x-rewrite-url", "x-proxy-id", "x-arr-log-id",
    "x-appengine-user-ip", "x-coming-from", "proxy-client-ip", "wl-proxy-client-ip", "fly-client-ip",
    "do-connecting-ip", "cdn-loop", "x-scheme", "x-real-port", "max-forwards",
}  # fmt: skip
"""Headers that only what passes requests on adds: whoever sends one may speak for another machine."""


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
    (Sec-Fetch-Site, Origin) or under a name of the attacker's (Host; DNS rebinding). ``origins`` are welcome. A proxy
    on this machine would let everybody in: what it adds to a request is refused.
    """
    name = request.headers.get("host", "")
    caller = request.client.host if request.client is not None else "127.0.0.1"  # a socket of the file system
    site = request.headers.get("sec-fetch-site", "none")
    origin = request.headers.get("origin")
    scheme = request.scope["scheme"].replace("ws", "http")  # a page names itself, not its websocket
    here = origin in (None, f"{scheme}://{name}") and site in ("none", "same-origin")
    local = is_loopback(caller) and is_loopback(HOST.sub("", name).strip("[]"))
    if passed_on := next((each for each in request.headers if _is_forwarding(each)), None):
        raise ForeignOrigin(
            requirement="without API keys requests must not come through a proxy",
            received=f"the header {passed_on[:80]!a}, which a proxy adds",
            remedy="Create a key with 'nominal keys create' and send it.",
        )
    if local and (here or origin in origins):
        return
    raise ForeignOrigin(
        requirement="without API keys only this machine may call, under its own name",
        received=f"the host {name[:80]!a}, from {(origin or site)[:80]!a}",
        remedy="Call http://127.0.0.1, or create a key with 'nominal keys create' and send it.",
    )


def _is_forwarding(header: str) -> bool:
    return header in FORWARDED or header.startswith(FORWARDED_PREFIXES)


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


def may(needed: Role, whole: bool = False) -> Callable[[Request], Awaitable[Actor]]:
    """The dependency of an operation that needs a role; it gives the ``Actor``.

    A key that is limited to banks and stations must be for the one that the path names; with ``whole`` it must not be
    limited. The console's entrance settles by session who calls, before the same routes below /console; then no key is
    read.
    """

    async def actor(request: Request) -> Actor:
        found: Actor | None = request.scope.get(ACTOR)
        if found is None:
            found = await identify(request, request.app.state.service, key_of(request))
        require(found, needed)
        if found.quota.limits_requests and END_OF_QUOTA not in request.scope["state"]:
            _count(request, found)
        if not found.scope.whole:
            await _admit(request, found.scope, whole)
        return found

    return actor


def _count(request: Request, actor: Actor) -> None:
    """Count the request against the key's quota until it ends (app/http/bodies.py). Raises ``QuotaExceeded``."""
    service: Service = request.app.state.service
    declared = request.headers.get("content-length", "0")  # a whole number, or the request was refused
    end = service.quotas.begin(actor.id, actor.quota, int(declared))
    request.scope["state"][END_OF_QUOTA] = end


async def _admit(request: Request, scope: Scope, whole: bool) -> None:
    """Raises ``OutOfScope`` for what the scope does not hold: the path's bank, job or inspection."""
    if whole:
        scope.admit_whole()
    service: Service = request.app.state.service
    named = request.path_params
    if "bank" in named:
        scope.admit_bank(named["bank"])
    if "job" in named:
        scope.admit_bank((await service.pools.background(partial(service.store.jobs.get, named["job"]))).bank)
    if "inspection" in named:
        row = await service.pools.background(partial(service.store.inspections.get, named["inspection"]))
        scope.admit_bank(row.bank)
        scope.station(row.station or "")


def within(actor: Actor, which: Filter) -> Filter:
    """``which``, narrowed to what the actor may see. Raises ``OutOfScope`` for a bank or station that it may not."""
    scope = actor.scope
    if scope.whole:
        return which
    if which.bank is not None:
        scope.admit_bank(which.bank)
    if which.station is not None:
        scope.station(which.station)
    return replace(which, banks=scope.banks, stations=scope.stations)


Reader = Annotated[Actor, Depends(may("read"))]
Inspector = Annotated[Actor, Depends(may("inspect"))]
Admin = Annotated[Actor, Depends(may("admin"))]
ServerAdmin = Annotated[Actor, Depends(may("admin", whole=True))]


def _no_key() -> KeyRefused:
    return KeyRefused(
        requirement="a request needs a valid API key",
        received="none",
        remedy="Send the header 'Authorization: Bearer nominal_...' with a key of 'nominal keys create'.",
    )
