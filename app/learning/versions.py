"""Versions of a bank: activated once proven, taken out and brought in as bank files."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from functools import partial
from typing import BinaryIO

from app.inspection.thresholds import effective
from app.learning.building import BANK_MEDIA_TYPE
from app.learning.learn import summary_of
from app.learning.uploads import FEED
from app.lifecycle.service import Service
from app.store.schema import Bank, Version
from app.store.staging import Staged
from core.bank import load_bank

CHUNK = 1 << 20


def all(service: Service, bank: str) -> list[Version]:
    """Newest first. Raises NotFound."""
    return service.store.versions.all(bank)


def get(service: Service, bank: str, number: int) -> Version:
    """Raises NotFound."""
    return service.store.versions.get(bank, number)


async def activate(service: Service, bank: str, number: int, if_match: int | None, actor: str) -> Bank:
    """Load and prove a version, then point the bank at it: the next inspection finds it warm.

    Raises NotFound, StaleRevision, VersionUnusable, TooFewNominalImages for rates of the bank it does not support.
    """
    row = await service.in_background(lambda: service.store.banks.get(bank))
    loaded = await service.registry.retry(bank, number, pinned=row.pinned)
    effective(row, loaded.engine.bank)
    return await service.in_background(
        lambda: service.store.versions.activate(bank, number, actor=actor, if_match=if_match)
    )


def remove(service: Service, bank: str, number: int, actor: str) -> None:
    """Raises NotFound, VersionInUse for the active one."""
    service.store.versions.remove(bank, number, actor=actor)


def open_bundle(service: Service, version: Version) -> Iterator[bytes]:
    """The bank file's bytes; opened before this returns. Raises BlobMissing."""
    return _pieces(service.store.blobs.open(version.sha256))


async def take_in(
    service: Service, bank: str, body: AsyncIterator[bytes], activated: bool, actor: str
) -> Version:
    """A bank file from elsewhere becomes the bank's next version, once it has proven itself on this machine.

    Raises NotFound, BankError, BlobTooLarge, StorageFull, ModelError where its backbone is not at hand.
    """
    service.refuse_draining()
    await service.in_background(lambda: service.store.banks.get(bank))
    staged = await service.in_upload(
        lambda: service.store.blobs.staging.begin(service.settings.bank_memory_bytes)
    )
    try:
        await _receive(service, staged, body)
        content = await service.in_upload(lambda: load_bank(staged.path))
        await service.registry.prove(content)
        summary = summary_of(content)
        version = await service.in_upload(lambda: _add(service, bank, staged, summary, actor))
    finally:
        await service.in_upload(lambda: staged.__exit__(None, None, None))
    if activated:
        await activate(service, bank, version.number, None, actor)
    return version


async def _receive(service: Service, staged: Staged, body: AsyncIterator[bytes]) -> None:
    pending = bytearray()
    async for chunk in body:
        pending += chunk
        if len(pending) >= FEED:
            await service.in_upload(partial(staged.write, bytes(pending)))
            pending.clear()
    await service.in_upload(partial(staged.write, bytes(pending)))
    await service.in_upload(staged.finish)


def _add(service: Service, bank: str, staged: Staged, summary: dict[str, object], actor: str) -> Version:
    service.store.blobs.keep([staged], BANK_MEDIA_TYPE)
    return service.store.versions.add(
        bank, sha256=staged.sha256, size=staged.bytes, summary=summary, actor=actor
    )


def _pieces(file: BinaryIO) -> Iterator[bytes]:
    with file:
        yield from iter(lambda: file.read(CHUNK), b"")
