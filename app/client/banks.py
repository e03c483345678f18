"""Calls about banks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypedDict, Unpack

from app.client.bodies import Json
from app.client.call import SLOW, Call, Pages, at, nothing, pages_of, parsed
from app.http.schemas.banks import Bank, BankDetail, ThresholdChange


class BankSettings(TypedDict, total=False):
    """What a bank has beside its title; null takes an override back, what is left out stays as it is."""

    config: Mapping[str, Any]
    pinned: bool
    target_false_reject: float | None
    target_review: float | None
    review_threshold: float | None
    reject_threshold: float | None
    note: str | None


class BankChanges(BankSettings, total=False):
    """What of a bank can change."""

    title: str


def list_banks() -> Pages[Bank]:
    """Every bank, by id."""
    return pages_of(Bank, "/v1/banks", "after")


def get_bank(bank: str) -> Call[BankDetail]:
    """One bank, with the size of its nominal set."""
    return Call("GET", at("/v1/banks/{}", bank), parsed(BankDetail))


def create_bank(bank: str, title: str = "", **settings: Unpack[BankSettings]) -> Call[BankDetail]:
    """A new bank: one view of one product."""
    body = Json({"id": bank, "title": title, **settings})
    return Call("POST", "/v1/banks", parsed(BankDetail), body=body)


def update_bank(
    bank: str, *, revision: int | None = None, **changes: Unpack[BankChanges]
) -> Call[BankDetail]:
    """Change a bank; refused as stale where ``revision`` is given and not its present one."""
    headers = if_match(revision)
    path = at("/v1/banks/{}", bank)
    return Call("PATCH", path, parsed(BankDetail), headers=headers, body=Json(changes), silence=SLOW)


def delete_bank(bank: str, *, revision: int | None = None) -> Call[None]:
    """Delete a bank with its images, versions and jobs; its inspections stay."""
    return Call("DELETE", at("/v1/banks/{}", bank), nothing, headers=if_match(revision))


def list_threshold_changes(bank: str, limit: int = 100) -> Call[list[ThresholdChange]]:
    """What the bank's thresholds became and by whom, newest first."""
    path = at("/v1/banks/{}/threshold-changes", bank)
    return Call("GET", path, parsed(list[ThresholdChange]), {"limit": limit})


def if_match(revision: int | None) -> dict[str, str | None]:
    """The header that has a change refused where somebody else was quicker."""
    return {"If-Match": None if revision is None else f'"{revision}"'}
