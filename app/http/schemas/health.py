"""Health on four levels."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import Field

from app.http.schemas.common import Answer, JsonObject

BankState = Literal["ready", "loading", "not_loaded", "no_version", "quarantined"]


class Live(Answer):
    """The process answers."""

    status: Literal["alive"] = "alive"


class Ready(Answer):
    """Whether the server can inspect: once warm it stays ready until it shuts down."""

    status: Literal["ready", "warming", "draining"]


class Health(Answer):
    """How the whole is. Banks' names and reasons are told to holders of a key alone."""

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
    banks: dict[BankState, int] = Field(description="How many banks are in each state.")
    bank_states: dict[str, JsonObject] | None = None


class BankHealth(Answer):
    """How one bank is; ``loaded`` tells of its version in memory and of its last conformance check."""

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
