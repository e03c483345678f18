"""Calls about the server itself: its health, which needs no key except for a bank's, its API keys and audit log."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TypedDict, Unpack

from nominal_client.answers.server import (
    AuditEntry,
    BankHealth,
    Health,
    Key,
    KeyList,
    Live,
    NewKey,
    Person,
    PersonList,
    Priority,
    Ready,
    Release,
    Role,
    SignInLink,
)
from nominal_client.call import SLOW, Call, Flow, Pages, Pause, at, get, pages_of, parsed, post
from nominal_client.errors import ConnectionFailed, WaitedTooLong
from nominal_client.streams import as_json

POLL_SECONDS = 0.2


class KeyLimits(TypedDict, total=False):
    """What a key is given and held to; None is no limit."""

    priority: Priority | None
    share: float | None
    requests_per_minute: int | None
    bytes_per_minute: int | None
    in_flight: int | None


def get_live() -> Call[Live]:
    """The process answers."""
    return get(Live, "/livez")


def get_ready() -> Call[Ready]:
    """Whether the server can inspect; "not yet" is an answer, not an error. Asked once."""
    return Call("GET", "/readyz", parsed(Ready), answers=(503,), within=0)


def get_health() -> Call[Health]:
    """The health of the server and, with a key, of each bank by name."""
    return get(Health, "/health")


def get_bank_health(bank: str, *, check: bool = False) -> Call[BankHealth]:
    """The health of one bank. ``check`` loads its version and scores its conformance images now."""
    path = at("/v1/banks/{}/health", bank)
    return Call("GET", path, parsed(BankHealth), {"check": check}, silence=SLOW)


def get_version_of_service() -> Call[Release]:
    """The release that runs."""
    return get(Release, "/version")


def wait_until_ready(seconds: float = 60.0) -> Flow[Ready]:
    """Asks until the server is there and ready. Raises WaitedTooLong."""
    end = time.monotonic() + seconds
    while True:
        try:
            ready = yield from get_ready()
            found: str = ready.status
            if found == "ready":
                return ready
        except ConnectionFailed:
            found = "no server there"
        if time.monotonic() >= end:
            raise WaitedTooLong(f"the server must be ready within {seconds:g} s", found, "See its log.")
        yield Pause(POLL_SECONDS)


def list_keys() -> Call[list[Key]]:
    """All keys, oldest first, revoked ones too."""
    whole = parsed(KeyList)
    return Call("GET", "/v1/keys", lambda response: whole(response).items)


def create_key(
    name: str,
    role: Role,
    days: float | None = None,
    banks: Sequence[str] | None = None,
    stations: Sequence[str] | None = None,
    **given: Unpack[KeyLimits],
) -> Call[NewKey]:
    """A new key; its text is shown only once. From the first key on, every request needs one.

    With ``banks`` or ``stations`` it is only for these.
    """
    body: dict[str, object] = {"name": name, "role": role, "days": days, **given}
    limits = {"banks": banks, "stations": stations}
    body |= {which: [*names] for which, names in limits.items() if names is not None}
    return post(NewKey, "/v1/keys", body=as_json(body))


def limit_key(key: str, **change: Unpack[KeyLimits]) -> Call[Key]:
    """Change the priority, guaranteed share or quotas of the key with this id; None takes one back."""
    return Call("PATCH", at("/v1/keys/{}", key), parsed(Key), body=as_json(change))


def rotate_key(key: str, overlap_seconds: float = 3600.0) -> Call[NewKey]:
    """A new key with the role, limits and end of the one with this id, which stays valid for the overlap."""
    return post(NewKey, "/v1/keys/{}/rotate", key, body=as_json({"overlap_seconds": overlap_seconds}))


def revoke_key(key: str) -> Call[Key]:
    """Refuse the key with this id from now on."""
    return Call("DELETE", at("/v1/keys/{}", key), parsed(Key))


def create_sign_in_link(key: str, minutes: float = 10.0) -> Call[SignInLink]:
    """A link by which a browser signs in to the console as the key with this id, once and within ``minutes``."""
    return post(SignInLink, "/v1/keys/{}/links", key, body=as_json({"minutes": minutes}))


def list_people() -> Call[list[Person]]:
    """Everybody who signed in to the console at the OpenID provider, by name."""
    whole = parsed(PersonList)
    return Call("GET", "/v1/people", lambda response: whole(response).items)


def sign_out_person(person: str) -> Call[Person]:
    """End the sessions of the person with this id in every browser; the provider decides whether they come back."""
    return post(Person, "/v1/people/{}/sign-out", person)


def list_audit(target: str | None = None) -> Pages[AuditEntry]:
    """Who changed what, newest first; a ``target`` looks like ``bank:screws``."""
    return pages_of(AuditEntry, "/v1/audit", "before", {"target": target})
