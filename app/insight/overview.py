"""The banks at a glance: state, active version, nominal set, thresholds asked for, decisions of the last day."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from app.inspection.inspect import Inspecting
from app.inspection.thresholds import rates
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


def page(inspecting: Inspecting, after: str | None, limit: int) -> Page[Glance]:
    """By id."""
    found = inspecting.store.banks.page(after=after, limit=limit)
    decisions = inspecting.store.inspections.decisions_since(datetime.now(UTC) - DAY)
    return Page([_glance(inspecting, bank, decisions.get(bank.id, {})) for bank in found.items], found.next)


def _glance(inspecting: Inspecting, bank: Bank, decisions: dict[str, int]) -> Glance:
    version = inspecting.store.versions.active(bank)
    jobs = inspecting.store.jobs.page(bank=bank.id, kind="build", limit=1).items
    return Glance(
        bank=bank,
        version=version,
        state=inspecting.registry.state_of(bank, version),
        nominal_images=inspecting.store.images.totals(bank.id)[0],
        false_reject=rates(bank, bank.config["target_false_reject"], None)[0],
        decisions=decisions,
        build=jobs[0] if jobs else None,
    )
