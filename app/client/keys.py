"""Calls about API keys and the audit log."""

from __future__ import annotations

from app.client.bodies import Json
from app.client.call import Call, Pages, at, pages_of, parsed
from app.http.schemas.keys import AuditEntry, Key, KeyList, NewKey, Role


def list_keys() -> Call[list[Key]]:
    """All keys, oldest first, revoked ones too."""
    whole = parsed(KeyList)
    return Call("GET", "/v1/keys", lambda response: whole(response).items)


def create_key(name: str, role: Role, days: float | None = None) -> Call[NewKey]:
    """A new key; its text is told this once. From the first on, every request needs one."""
    body = Json({"name": name, "role": role, "days": days})
    return Call("POST", "/v1/keys", parsed(NewKey), body=body)


def rotate_key(key: str, overlap_seconds: float = 3600.0) -> Call[NewKey]:
    """A new key in the place of the one with this id, which stays valid for the overlap."""
    body = Json({"overlap_seconds": overlap_seconds})
    return Call("POST", at("/v1/keys/{}/rotate", key), parsed(NewKey), body=body)


def revoke_key(key: str) -> Call[Key]:
    """Have the key with this id refused from now on."""
    return Call("DELETE", at("/v1/keys/{}", key), parsed(Key))


def list_audit(target: str | None = None) -> Pages[AuditEntry]:
    """Who changed what, newest first; ``target`` is such as ``bank:screws``."""
    return pages_of(AuditEntry, "/v1/audit", "before", {"target": target})
