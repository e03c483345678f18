"""Versions of a bank: activated once proven, taken out and brought in as bank files."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from functools import partial
from typing import IO

from app.inspection.registry import Key
from app.inspection.thresholds import effective
from app.learning.building import BANK_MEDIA_TYPE
from app.learning.checking import follow
from app.learning.learn import summary_of
from app.learning.supervisor import Learning
from app.learning.uploads import FEED
from app.learning.warming import warm_elsewhere
from app.store.errors import StoreError
from app.store.schema import Bank, Version
from app.store.staging import Staged
from core.bank import load_bank

CHUNK = 1 << 20


async def activate(learning: Learning, bank: str, number: int, if_match: int | None, actor: str) -> Bank:
    """Load and prove a version, here and on the other servers, then point the bank at it: its next inspection finds it
    warm. A server that takes longer than ``warming.ELSEWHERE_SECONDS`` is not waited for.

    Raises NotFound, StaleRevision, VersionUnusable, TooFewNominalImages for rates of the bank it does not support,
    ConfigError for thresholds that it does not go with.
    """
    store = learning.store
    row = await learning.pools.background(lambda: store.banks.get(bank))
    version = await learning.pools.background(lambda: store.versions.get(bank, number))
    content = (await learning.inspecting.registry.retry(Key.of(version), pinned=row.pinned)).engine.bank

    await warm_elsewhere(learning, bank, version.sha256, version.bytes)

    def check(row: Bank, version: Version | None) -> None:
        effective(row, content)

    return await learning.pools.background(
        lambda: store.versions.activate(bank, number, actor=actor, if_match=if_match, check=check)
    )


def open_bundle(learning: Learning, version: Version) -> Iterator[bytes]:
    """The bank file's bytes; read whole and compared before this returns. Raises BlobMissing, BlobCorrupt."""
    return _pieces(learning.store.blobs.verified(version.sha256))


async def take_in(
    learning: Learning, bank: str, body: AsyncIterator[bytes], activated: bool, actor: str
) -> Version:
    """A bank file from elsewhere becomes the bank's next version, once it has proven itself on this machine.

    Raises NotFound, BankError, BlobTooLarge, StorageFull, ModelError where its backbone is not at hand.
    """
    learning.life.refuse_draining()
    await learning.pools.background(lambda: learning.store.banks.get(bank))
    staged = await learning.pools.upload(
        lambda: learning.store.blobs.staging.begin(learning.settings.bank_memory_bytes)
    )
    try:
        await _receive(learning, staged, body)
        content = await learning.pools.upload(lambda: load_bank(staged.path))
        await learning.inspecting.registry.prove(content)
        summary = summary_of(content)
        version = await learning.pools.upload(lambda: _add(learning, bank, staged, summary, actor))
    finally:
        await learning.pools.upload(lambda: staged.__exit__(None, None, None))
    if activated:
        await activate(learning, bank, version.number, None, actor)
    with suppress(StoreError):  # the next version asks again
        await learning.pools.background(lambda: follow(learning.store, bank, actor))
    return version


async def _receive(learning: Learning, staged: Staged, body: AsyncIterator[bytes]) -> None:
    pending = bytearray()
    async for chunk in body:
        pending += chunk
        if len(pending) >= FEED:
            await learning.pools.upload(partial(staged.write, bytes(pending)))
            pending.clear()
    await learning.pools.upload(partial(staged.write, bytes(pending)))
    await learning.pools.upload(staged.finish)


def _add(learning: Learning, bank: str, staged: Staged, summary: dict[str, object], actor: str) -> Version:
    learning.store.blobs.keep([staged], BANK_MEDIA_TYPE)
    return learning.store.versions.add(
        bank, sha256=staged.sha256, size=staged.bytes, summary=summary, actor=actor
    )


def _pieces(file: IO[bytes]) -> Iterator[bytes]:
    with file:
        yield from iter(lambda: file.read(CHUNK), b"")
