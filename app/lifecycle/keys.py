"""API keys: made, replaced with an overlap, revoked; a change counts at once on this server."""

from __future__ import annotations

from app.lifecycle.service import Service
from app.store.schema import ApiKey, Role


def all(service: Service) -> list[ApiKey]:
    """Oldest first, revoked ones too."""
    return service.store.keys.all()


def create(service: Service, name: str, role: Role, days: float | None, actor: str) -> tuple[str, ApiKey]:
    """(the key's text, given this once; its row)."""
    made = service.store.keys.create(name, role, actor=actor, days=days)
    service.admission.forget()
    return made


def rotate(service: Service, id: str, overlap_seconds: float, actor: str) -> tuple[str, ApiKey]:
    """A new key of the same name and role; the old one is valid for the overlap. Raises NotFound."""
    made = service.store.keys.rotate(id, actor=actor, overlap_seconds=overlap_seconds)
    service.admission.forget()
    return made


def revoke(service: Service, id: str, actor: str) -> ApiKey:
    """Refused from now on. Raises NotFound."""
    key = service.store.keys.revoke(id, actor=actor)
    service.admission.forget()
    return key
