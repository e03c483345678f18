"""API keys and the audit log."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from pydantic import Field

from app.http.schemas.common import Answer, JsonObject, Request

Role = Literal["read", "inspect", "admin"]


class KeyRequest(Request):
    """A new key."""

    name: Annotated[str, Field(min_length=1, max_length=100)]
    role: Role
    days: Annotated[float, Field(gt=0, le=36500, allow_inf_nan=False)] | None = Field(
        None, description="Days it is valid; without end when null."
    )


class RotationRequest(Request):
    """A new key in an old one's place."""

    overlap_seconds: Annotated[float, Field(ge=0, le=30 * 86400, allow_inf_nan=False)] = Field(
        3600, description="How long the old key stays valid."
    )


class Key(Answer):
    """A key without its secret."""

    id: str
    name: str
    role: Role
    created_by: str
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None


class NewKey(Key):
    """A key with its text, which is given this once."""

    key: str


class KeyList(Answer):
    """All keys, oldest first."""

    items: list[Key]


class AuditEntry(Answer):
    """Who changed what, when."""

    id: str
    actor: str
    action: str
    target: str
    detail: JsonObject
    created_at: datetime
