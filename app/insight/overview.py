"""The banks at a glance: state, active version, nominal set, thresholds asked for, decisions of the last day."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from app.inspection.thresholds import rates
from app.lifecycle.health import state_of
from app.lifecycle.service import Service
from app.store.errors import NotFound
from app.store.page import Page
from app.store.schema import Bank, Job, Version

DAY = timedelta(days=1)


@dataclass(frozen=True)
class Glance:
    """One bank. ``decisions`` are the last day's by decision; ``build`` is the latest job, if any."""

    bank: Bank
    version: Version | None
    state: str
    nominal_images: int
    false_reject: float
    decisions: dict[str, int]
    build: Job | None


def page(service: Service, after: str | None, limit: int) -> Page[Glance]:
    """By id."""
    found = service.store.banks.page(after=after, limit=limit)
    decisions = service.store.inspections.decisions_since(datetime.now(UTC) - DAY)
    return Page([_glance(service, bank, decisions.get(bank.id, {})) for bank in found.items], found.next)


def _glance(service: Service, bank: Bank, decisions: dict[str, int]) -> Glance:
    version = _active(service, bank)
    jobs = service.store.jobs.page(bank=bank.id, limit=1).items
    return Glance(
        bank=bank,
        version=version,
        state=state_of(service, bank, version),
        nominal_images=service.store.images.totals(bank.id)[0],
        false_reject=rates(bank, bank.config["target_false_reject"], None)[0],
        decisions=decisions,
        build=jobs[0] if jobs else None,
    )


def _active(service: Service, bank: Bank) -> Version | None:
    try:
        return service.store.versions.get(bank.id, bank.active_version) if bank.active_version else None
    except NotFound:  # deleted between the two
        return None
