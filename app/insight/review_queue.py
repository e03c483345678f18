"""What waits for a person: inspections without a verdict, rejected ones first, then those to review; and agreement."""

from __future__ import annotations

from dataclasses import dataclass, replace

from app.errors import FieldInvalid
from app.inspection.inspecting import Inspecting
from app.store.inspections import Filter, Outcomes
from app.store.page import Page
from app.store.schema import Decision, Inspection, Verdict
from core.judging.exploration import Share, share

ORDER: tuple[Decision, ...] = ("reject", "review", "accept")


@dataclass(frozen=True)
class Agreement:
    """How people judged what the bank decided.

    confirmed: flagged parts that are defective. false_alarms: flagged parts that are good. missed: accepted parts that
    are defective. waiting: those without a verdict, by decision. agreed: verdicts that confirm the decision.
    """

    confirmed: int
    false_alarms: int
    missed: int
    waiting: dict[Decision, int]
    agreed: Share


def page(inspecting: Inspecting, which: Filter, after: str | None, limit: int) -> Page[Inspection]:
    """Inspections without a verdict, in ``ORDER``, each decision newest first. Raises FieldInvalid for another cursor.

    ``which`` names bank, decision, serial, station and time; its verdict and reviewed do not count.
    """
    start, before = _place(after)
    items: list[Inspection] = []
    for decision in _decisions(which)[start:]:
        found = inspecting.store.inspections.page(
            _waiting(which, decision), before=before, limit=limit - len(items)
        )
        items += found.items
        before = None
        if found.next is not None or len(items) >= limit:
            break
    more = bool(items) and beside(inspecting, which, items[-1])[1] is not None
    return Page(items, cursor(which, items[-1]) if more else None)


def beside(
    inspecting: Inspecting, which: Filter, row: Inspection
) -> tuple[Inspection | None, Inspection | None]:
    """The inspections that wait before and after one of the queue's, reviewed meanwhile or not."""
    decisions = _decisions(which)
    place = decisions.index(row.decision) if row.decision in decisions else 0
    look = inspecting.store.inspections.beside
    before = look(_waiting(which, row.decision), row.id, newer=True)
    after = look(_waiting(which, row.decision), row.id, newer=False)
    for decision in reversed(decisions[:place]):
        before = before or look(_waiting(which, decision), "", newer=True)
    for decision in decisions[place + 1 :]:
        after = after or _newest(inspecting, _waiting(which, decision))
    return before, after


def cursor(which: Filter, row: Inspection) -> str:
    """Where a page goes on that ended with this inspection."""
    return f"{_decisions(which).index(row.decision)}.{row.id}"


def agreement(inspecting: Inspecting, which: Filter) -> Agreement:
    """Over the inspections of a filter."""
    return agreement_of(inspecting.store.inspections.outcomes(which))


def agreement_of(counts: Outcomes) -> Agreement:
    """Of how many inspections there are of each decision and verdict."""
    confirmed, alarms, missed, fine = tally(counts)
    waiting = {decision: counts.get((decision, None), 0) for decision in ORDER}
    reviewed = confirmed + alarms + missed + fine
    return Agreement(confirmed, alarms, missed, waiting, share(confirmed + fine, reviewed))


def tally(counts: Outcomes) -> tuple[int, int, int, int]:
    """Flagged and defective, flagged and good, accepted and defective, accepted and good."""

    def total(verdict: Verdict, *decisions: Decision) -> int:
        return sum(counts.get((decision, verdict), 0) for decision in decisions)

    flagged: tuple[Decision, ...] = ("reject", "review")
    missed = total("missed_defect", *ORDER) + total("confirmed_defect", "accept")
    return (
        total("confirmed_defect", *flagged),
        total("false_alarm", *flagged),
        missed,
        total("false_alarm", "accept"),
    )


def _decisions(which: Filter) -> tuple[Decision, ...]:
    return ORDER if which.decision is None else (which.decision,)


def _waiting(which: Filter, decision: Decision) -> Filter:
    return replace(which, decision=decision, verdict=None, reviewed=False)


def _newest(inspecting: Inspecting, which: Filter) -> Inspection | None:
    found = inspecting.store.inspections.page(which, limit=1).items
    return found[0] if found else None


def _place(after: str | None) -> tuple[int, str | None]:
    """(place in the order of decisions, id) of a cursor."""
    if after is None:
        return 0, None
    place, _, id = after.partition(".")
    if place in ("0", "1", "2") and id:
        return int(place), id
    raise FieldInvalid(
        requirement="a cursor of the review queue must be the `next` of a page before",
        received=ascii(after[:80]),
        remedy="Leave it out to begin again.",
    )
