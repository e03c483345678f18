"""Calls about health; none but a bank's needs a key."""

from __future__ import annotations

import time

from app.client.call import SLOW, Call, Flow, Pause, at, parsed
from app.client.errors import ConnectionFailed, WaitedTooLong
from app.http.schemas.health import BankHealth, Health, Live, Ready, Release

POLL_SECONDS = 0.2


def get_live() -> Call[Live]:
    """The process answers."""
    return Call("GET", "/livez", parsed(Live))


def get_ready() -> Call[Ready]:
    """Whether the server can inspect; that it cannot yet is an answer, no error. Asked once."""
    return Call("GET", "/readyz", parsed(Ready), answers=(503,), within=0)


def get_health() -> Call[Health]:
    """How the whole is; with a key, by name."""
    return Call("GET", "/health", parsed(Health))


def get_bank_health(bank: str, *, check: bool = False) -> Call[BankHealth]:
    """How one bank is. ``check`` loads its version and scores its conformance images now."""
    path = at("/v1/banks/{}/health", bank)
    return Call("GET", path, parsed(BankHealth), {"check": check}, silence=SLOW)


def get_version_of_service() -> Call[Release]:
    """What runs."""
    return Call("GET", "/version", parsed(Release))


def wait_until_ready(seconds: float = 60.0) -> Flow[Ready]:
    """Ready, or not there yet: asked until it is. Raises WaitedTooLong."""
    end = time.monotonic() + seconds
    while True:
        try:
            ready: Ready = yield get_ready()
            found: str = ready.status
        except ConnectionFailed:
            ready, found = Ready(status="warming"), "no server there"
        if ready.status == "ready":
            return ready
        if time.monotonic() >= end:
            raise WaitedTooLong(
                requirement=f"the server must be ready within {seconds:g} s",
                received=found,
                remedy="See its log.",
            )
        yield Pause(POLL_SECONDS)
