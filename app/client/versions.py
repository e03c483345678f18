"""Calls about versions: the immutable builds of a bank, and their bank files."""

from __future__ import annotations

from pathlib import Path

from app.client.banks import get_bank, if_match
from app.client.bodies import OneFile
from app.client.call import SLOW, Call, Flow, at, nothing, parsed
from app.client.downloads import Saved, never
from app.client.errors import BadArgument
from app.http.schemas.banks import BankDetail
from app.http.schemas.jobs import Version, VersionList

BANK_FILE = "application/vnd.nominal.bank"


def list_versions(bank: str) -> Call[list[Version]]:
    """All versions, newest first."""
    whole = parsed(VersionList)
    return Call("GET", at("/v1/banks/{}/versions", bank), lambda response: whole(response).items)


def get_version(bank: str, version: int) -> Call[Version]:
    """One version: what it holds, what its threshold promises."""
    return Call("GET", at("/v1/banks/{}/versions/{}", bank, version), parsed(Version))


def activate_version(bank: str, version: int, *, revision: int | None = None) -> Call[BankDetail]:
    """Serve this version from now on; refused as stale where the bank's ``revision`` is another than given."""
    return Call(
        "POST",
        at("/v1/banks/{}/versions/{}/activate", bank, version),
        parsed(BankDetail),
        headers=if_match(revision),
        repeatable=revision is None,
        silence=SLOW,
    )


def roll_back(bank: str) -> Flow[BankDetail]:
    """Activate the newest sound version older than the active one."""
    row: BankDetail = yield get_bank(bank)
    versions: list[Version] = yield list_versions(bank)
    active = row.active_version or 0
    older = [version.number for version in versions if version.number < active and version.state == "ok"]
    if not older:
        raise BadArgument(
            requirement="rolling back needs a sound version before the active one",
            received=f"the bank {bank} with version {row.active_version} active and none",
            remedy="Activate a version by its number, or build another.",
        )
    activated: BankDetail = yield activate_version(bank, max(older), revision=row.revision)
    return activated


def delete_version(bank: str, version: int) -> Call[None]:
    """Delete a version that is not active."""
    return Call("DELETE", at("/v1/banks/{}/versions/{}", bank, version), nothing)


def download_version(bank: str, version: int, path: Path) -> Call[Path]:
    """Save a version as a bank file, whole and with the digest the server told, or not at all."""
    form = at("/v1/banks/{}/versions/{}/bundle", bank, version)
    return Call("GET", form, never, sink=lambda headers: Saved(path, headers), silence=SLOW)


def import_version(bank: str, path: Path, *, activate: bool = False) -> Call[Version]:
    """Have the server take in a bank file as the bank's next version, once it has proven itself there."""
    form = at("/v1/banks/{}/import", bank)
    params = {"activate": activate}
    return Call("POST", form, parsed(Version), params, body=OneFile(path, BANK_FILE), silence=SLOW)
