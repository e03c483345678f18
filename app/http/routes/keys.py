"""API keys and the audit log: /v1/keys, /v1/audit."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Query

from app.http.auth import Admin
from app.http.routes.common import Cursor, Limit, Running, refuses
from app.http.schemas import keys as schema
from app.http.schemas.common import Page
from app.store.errors import IllegalValue, NotFound
from app.store.schema import ApiKey

router = APIRouter(prefix="/v1", tags=["keys"])
KeyPath = Annotated[str, Path(description="A key's id: the part between the underscores.")]


@router.get("/keys", responses=refuses())
def list_keys(service: Running, actor: Admin) -> schema.KeyList:
    """All keys, oldest first, revoked ones too."""
    return schema.KeyList(items=[schema.Key.model_validate(key) for key in service.store.keys.all()])


@router.post("/keys", status_code=201, responses=refuses(IllegalValue))
def create_key(service: Running, actor: Admin, body: schema.KeyRequest) -> schema.NewKey:
    """Make a key. Its text is given this once. From the first key on, every request needs one."""
    return _new(*service.admission.create(body.name, body.role, body.days, actor.id))


@router.post("/keys/{key}/rotate", status_code=201, responses=refuses(NotFound))
def rotate_key(
    service: Running, actor: Admin, key: KeyPath, body: schema.RotationRequest | None = None
) -> schema.NewKey:
    """A new key in this one's place, which stays valid for the overlap."""
    asked = body or schema.RotationRequest.model_validate({})
    return _new(*service.admission.rotate(key, asked.overlap_seconds, actor.id))


@router.delete("/keys/{key}", responses=refuses(NotFound))
def revoke_key(service: Running, actor: Admin, key: KeyPath) -> schema.Key:
    """Refuse this key from now on."""
    return schema.Key.model_validate(service.admission.revoke(key, actor.id))


@router.get("/audit", responses=refuses())
def list_audit(
    service: Running,
    actor: Admin,
    target: Annotated[str | None, Query(max_length=255, description="Such as bank:screws.")] = None,
    limit: Limit = 100,
    before: Cursor = None,
) -> Page[schema.AuditEntry]:
    """Who changed what, newest first."""
    page = service.store.audit.page(target=target, before=before, limit=limit)
    return Page(items=[schema.AuditEntry.model_validate(entry) for entry in page.items], next=page.next)


def _new(text: str, key: ApiKey) -> schema.NewKey:
    return schema.NewKey(**schema.Key.model_validate(key).model_dump(), key=text)
