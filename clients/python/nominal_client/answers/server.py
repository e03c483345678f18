"""The server itself: health, keys."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import Field

from nominal_client.answers import Answer, JsonObject

BankState = Literal["ready", "loading", "not_loaded", "no_version", "quarantined", "undecidable"]


class Live(Answer):
    """The process answers."""

    status: Literal["alive"] = "alive"


class Ready(Answer):
    """Whether the server can inspect: once warm it stays ready until it shuts down."""

    status: Literal["ready", "warming", "draining"]


class Health(Answer):
    """How the whole is. Only holders of a key see banks' names and reasons."""

    status: Literal["ok", "degraded"]
    ready: bool
    draining: bool
    faults: list[str] = Field(description="What a person should look at.")
    fault_reasons: dict[str, str] | None = None
    uptime_seconds: float
    started_at: datetime
    versions: dict[str, str | None]
    backbone: JsonObject
    queue: JsonObject
    memory: JsonObject
    disk: JsonObject
    database: JsonObject
    worker: JsonObject | None = None
    retention: JsonObject = Field(description="Which images are kept, and for how many days inspections are.")
    banks: dict[BankState, int] = Field(description="How many banks are in each state.")
    bank_states: dict[str, JsonObject] | None = None
    folders: list[JsonObject] | None = Field(
        None, description="Watched folders: what waits, was done, failed."
    )
    cameras: list[JsonObject] | None = Field(None, description="Cameras: inspected, repeated, faults.")


class BankHealth(Answer):
    """How one bank is; ``loaded`` describes its version in memory and its last conformance check."""

    bank: str
    state: BankState
    reason: str | None
    version: int | None
    pinned: bool
    nominal_images: int
    nominal_bytes: int
    supported_false_reject: float
    loaded: JsonObject | None


class Release(Answer):
    """What runs."""

    nominal: str
    api: Literal["v1"] = "v1"


Role = Literal["read", "inspect", "admin"]
Priority = Literal["line", "normal", "background"]


class KeyLimits(Answer):
    """What a key is given and held to; null is no limit."""

    priority: Priority | None = Field(None, description="Of its inspections; the bank's when null.")
    share: float | None = Field(None, description="Guaranteed part of decoding and inference.")
    requests_per_minute: int | None = None
    bytes_per_minute: int | None = None
    in_flight: int | None = Field(None, description="Requests at once.")


class Key(Answer):
    """A key without its secret."""

    id: str
    name: str
    role: Role
    created_by: str
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None
    banks: list[str] | None = Field(None, description="The only banks it is for; null: all.")
    stations: list[str] | None = Field(None, description="The only stations it is for; null: all.")
    limits: KeyLimits | None = Field(None, description="Its priority, share and quotas; null: none.")


class NewKey(Key):
    """A key with its text, which is given this once."""

    key: str


class SignInLink(Answer):
    """A link, given this once, by which a browser signs in to the console as a key."""

    key: str = Field(description="The key's id.")
    expires_at: datetime
    link: str = Field(description="A path of the server; all of it is needed, with what follows #.")


class KeyList(Answer):
    """All keys, oldest first."""

    items: list[Key]


class Person(Answer):
    """Somebody who signed in at the OpenID provider. ``id`` is how ledger, reviews and audit name them."""

    id: str
    name: str
    role: Role
    issuer: str
    subject: str
    created_at: datetime
    signed_in_at: datetime


class PersonList(Answer):
    """Everybody who signed in, by name."""

    items: list[Person]


class AuditEntry(Answer):
    """Who did what, when, from which address. ``number`` and ``digest`` chain it to the entry before."""

    id: str
    actor: str
    action: str
    target: str
    detail: JsonObject
    created_at: datetime
    address: str | None = None
    number: int | None = None
    digest: str | None = None
