"""Banks: created, changed, deleted, seen at a glance; their nominal images as people look at them, whole and small.

A change of thresholds is tried on the active version before it is kept.

Of a configuration as JSON, what a caller leaves out keeps its value, and what no config has is refused.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, fields
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

from app.inspection.inspecting import Inspecting
from app.inspection.registry import Key
from app.inspection.thresholds import Wish, effective, rates
from app.inspection.viewing import small
from app.learning.supervisor import Learning
from app.store.banks import BankChange
from app.store.errors import NotFound, VersionUnusable
from app.store.page import Page
from app.store.schema import Bank, Job, Version
from core.config import DetectorConfig

DAY = timedelta(days=1)
THRESHOLDS = tuple(field.name for field in fields(Wish))


def read_image(learning: Learning, bank: str, sha256: str) -> bytes:
    """A nominal image as it was received. Raises NotFound, BlobMissing."""
    return learning.store.blobs.read(learning.store.images.get(bank, sha256).sha256)


async def small_image(learning: Learning, bank: str, sha256: str, side: int) -> bytes:
    """A JPEG of at most ``side`` pixels each way, 1,024 at most. Raises NotFound, BlobMissing, MemoryFull."""
    background = learning.pools.background
    await background(partial(learning.store.images.get, bank, sha256))
    bits = await background(partial(significant_bits, learning, bank))
    read = partial(read_image, learning, bank, sha256)
    return await small(learning.inspecting, bank, sha256, read, side, bits)


def significant_bits(learning: Learning, bank: str) -> int | None:
    """Those of wide grey samples that a bank's images use; None for all, and for a bank that is gone."""
    try:
        config = learning.store.banks.get(bank).config
    except NotFound:
        return None
    return DetectorConfig.from_json(config).input.significant_bits


def create(learning: Learning, id: str, change: BankChange, actor: str, note: str | None = None) -> Bank:
    """Raises IllegalId, AlreadyExists, ConfigError."""
    Wish(**_thresholds(change))
    title, config = change.pop("title", "") or id, merged(default_config(), change.pop("config", {}))
    rest: Any = change
    return learning.store.banks.create(id, title=title, config=config, actor=actor, note=note, **rest)


async def update(
    learning: Learning,
    id: str,
    change: BankChange,
    if_match: int | None,
    actor: str,
    note: str | None = None,
) -> Bank:
    """``note`` says why thresholds change, for their history.

    Raises NotFound, StaleRevision, ConfigError, TooFewNominalImages where the version does not support a rate."""
    bank = await learning.pools.background(lambda: learning.store.banks.get(id))
    if "config" in change:
        change["config"] = merged(bank.config, change["config"])
    check = None
    if change.keys() & set(THRESHOLDS):
        await _try(learning, bank, change)
        check = partial(_check, learning)
    return await learning.pools.background(
        lambda: learning.store.banks.update(
            id, actor=actor, if_match=if_match, note=note, check=check, **change
        )
    )


async def delete(learning: Learning, id: str, if_match: int | None, actor: str) -> None:
    """With its images, versions and jobs; its inspections stay. Raises NotFound, StaleRevision, BuildAlreadyRunning."""
    await learning.pools.background(lambda: learning.store.banks.delete(id, actor=actor, if_match=if_match))
    learning.inspecting.registry.drop(id)
    learning.inspecting.metrics.forget(id)


async def _try(learning: Learning, bank: Bank, change: BankChange) -> None:
    """Whether the active version, if any, can follow the thresholds a change asks for."""
    wish, key = Wish(**_wished(bank) | _thresholds(change)), Key.active(bank)
    if key is not None:
        with suppress(VersionUnusable):  # it serves nothing now, and is tried again when it is activated
            loaded = await learning.inspecting.registry.get(key, pinned=bank.pinned)
            effective(wish, loaded.engine.bank)


def _check(learning: Learning, bank: Bank, version: Version | None) -> None:
    """The same inside the transaction, for what others have made of the bank meanwhile."""
    wish = Wish(**_wished(bank))
    if version is not None and version.state == "ok":
        effective(wish, learning.inspecting.calibrations.of(version))


def _wished(bank: Bank) -> dict[str, Any]:
    return {name: getattr(bank, name) for name in THRESHOLDS}


def _thresholds(change: BankChange) -> dict[str, Any]:
    return {name: value for name, value in change.items() if name in THRESHOLDS}


JsonObject = dict[str, Any]


def default_config() -> JsonObject:
    """Of a new bank."""
    return DetectorConfig().to_json()


def merged(base: JsonObject, change: Mapping[str, Any]) -> JsonObject:
    """``base`` with ``change`` laid over it, objects key by key. Raises ConfigError."""
    return DetectorConfig.from_json(base).changed(change).to_json()


def config_to_build(bank: Bank, change: Mapping[str, Any]) -> DetectorConfig:
    """What a build of a bank takes: its config, its target rates, and this build's own changes over both."""
    config = bank.config
    reject, review = rates(bank, config["target_false_reject"], config["target_review"])
    rated = config | {"target_false_reject": reject, "target_review": review}
    return DetectorConfig.from_json(rated).changed(change)


@dataclass(frozen=True)
class Glance:
    """One bank at a glance. ``decisions`` are the last day's by decision; ``build`` is the latest job, if any."""

    bank: Bank
    version: Version | None
    state: str
    nominal_images: int
    false_reject: float
    decisions: dict[str, int]
    build: Job | None


def glances(inspecting: Inspecting, after: str | None, limit: int) -> Page[Glance]:
    """The banks at a glance, by id."""
    found = inspecting.store.banks.page(after=after, limit=limit)
    decisions = inspecting.store.inspections.decisions_since(datetime.now(UTC) - DAY)
    return Page([_glance(inspecting, bank, decisions.get(bank.id, {})) for bank in found.items], found.next)


def _glance(inspecting: Inspecting, bank: Bank, decisions: dict[str, int]) -> Glance:
    version = inspecting.store.versions.active(bank)
    jobs = inspecting.store.jobs.page(bank=bank.id, kind="build", limit=1).items
    return Glance(
        bank=bank,
        version=version,
        state=inspecting.calibrations.standing(bank, version)[0],
        nominal_images=inspecting.store.images.totals(bank.id)[0],
        false_reject=rates(bank, bank.config["target_false_reject"], None)[0],
        decisions=decisions,
        build=jobs[0] if jobs else None,
    )
