"""Banks: /v1/banks."""

from __future__ import annotations

from typing import Any, cast

from fastapi import APIRouter, Response

from app.http import requests
from app.http.auth import Admin, Reader
from app.http.routes import BankPath, Cursor, IfMatch, Limit, Root, Running, etag, refuses, revision_of
from app.learning import banks
from app.lifecycle import Service
from app.store.banks import BankChange
from app.store.errors import (
    AlreadyExists,
    BuildAlreadyRunning,
    IllegalId,
    IllegalValue,
    NotFound,
    StaleRevision,
    VersionUnusable,
)
from app.store.schema import Bank
from core.errors import ConfigError, TooFewNominalImages
from core.judging.calibration import supported_rate
from nominal_client.answers import Page
from nominal_client.answers import banks as schema

router = APIRouter(prefix="/v1/banks", tags=["banks"])
NOT_NULL = ("title", "config", "pinned")  # null leaves these as they are


@router.post("", status_code=201, responses=refuses(AlreadyExists, IllegalId, IllegalValue, ConfigError))
def create_bank(
    service: Running, actor: Admin, root: Root, body: requests.BankCreate, response: Response
) -> schema.BankDetail:
    """Create a bank: one view of one product."""
    actor.scope.admit_bank(body.id)
    bank = banks.create(service.learning, body.id, _change(body), actor.id, body.note)
    response.headers["Location"] = f"{root}/v1/banks/{bank.id}"
    return detail(service, bank, response)


@router.get("", responses=refuses())
def list_banks(
    service: Running, actor: Reader, limit: Limit = 100, after: Cursor = None
) -> Page[schema.Bank]:
    """Banks by id."""
    page = service.store.banks.page(after=after, limit=limit, among=actor.scope.banks)
    return Page(items=[schema.Bank.model_validate(bank) for bank in page.items], next=page.next)


@router.get("/{bank}", responses=refuses(NotFound))
def get_bank(service: Running, actor: Reader, bank: BankPath, response: Response) -> schema.BankDetail:
    """One bank, with the size of its nominal set."""
    return detail(service, service.store.banks.get(bank), response)


@router.patch(
    "/{bank}", responses=refuses(NotFound, StaleRevision, ConfigError, TooFewNominalImages, VersionUnusable)
)
async def update_bank(
    service: Running,
    actor: Admin,
    bank: BankPath,
    body: requests.BankChange,
    response: Response,
    if_match: IfMatch = None,
) -> schema.BankDetail:
    """Change a bank. New thresholds count from the next inspection, without a build."""
    changed = await banks.update(
        service.learning, bank, _change(body), revision_of(if_match), actor.id, body.note
    )
    return await service.pools.background(lambda: detail(service, changed, response))


@router.delete("/{bank}", status_code=204, responses=refuses(NotFound, StaleRevision, BuildAlreadyRunning))
async def delete_bank(service: Running, actor: Admin, bank: BankPath, if_match: IfMatch = None) -> None:
    """Delete a bank with its images, versions and jobs. Its inspections stay in the ledger."""
    await banks.delete(service.learning, bank, revision_of(if_match), actor.id)


@router.get("/{bank}/threshold-changes", responses=refuses(NotFound))
def list_threshold_changes(
    service: Running, actor: Reader, bank: BankPath, limit: Limit = 100
) -> list[schema.ThresholdChange]:
    """What the bank's thresholds and rates became, and by whom; newest first."""
    changes = service.store.banks.threshold_changes(bank, limit=limit)
    return [schema.ThresholdChange.model_validate(change) for change in changes]


def _change(body: requests.BankChange) -> BankChange:
    """What a body says; null where null means something."""
    said: dict[str, Any] = body.model_dump(exclude_unset=True, exclude={"id", "note"})
    change = {name: value for name, value in said.items() if value is not None or name not in NOT_NULL}
    return cast("BankChange", change)


def detail(service: Service, bank: Bank, response: Response) -> schema.BankDetail:
    response.headers["ETag"] = etag(bank.revision)
    images, size = service.store.images.totals(bank.id)
    marked, serials = service.store.images.parts(bank.id)
    known = schema.Bank.model_validate(bank).model_dump()
    return schema.BankDetail(
        **known,
        nominal_images=images,
        nominal_bytes=size,
        images_with_serial=marked,
        serials=serials,
        supported_false_reject=supported_rate(serials if marked == images else images),
    )
