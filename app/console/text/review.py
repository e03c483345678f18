"""Words of the review queue and of reviewing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from app.console.text.plural import Plural


def _frozen(**words: str) -> Mapping[str, str]:
    return MappingProxyType(words)


@dataclass(frozen=True)
class Review:
    """English."""

    name: str = "Review queue"
    lead: str = "Rejected parts first, then those to review. Say what each one really is."
    waiting: str = "Waiting"
    none: str = "Nothing waits for review"
    none_hint: str = "New inspections appear here by themselves: rejected ones first, then those to review."
    no_match: str = "Nothing that matches waits for review"
    no_match_hint: str = "Widen the filters or clear them."
    end: str = "That was the last one"
    end_hint: Plural = Plural("{n} skipped inspection still waits.", "{n} skipped inspections still wait.")
    end_clean: str = "Everything in this queue has been looked at."
    begin_again: str = "Begin again"
    look_again: str = "Look again"
    defect: str = "Confirm defect"
    missed: str = "Missed defect"
    alarm: str = "False alarm"
    good: str = "Good part"
    teach: str = "Teach as good"
    teach_hint: str = "A false alarm: its image joins the nominal set of {bank} for the next build."
    skip: str = "Skip"
    back: str = "Back"
    undo: str = "Undo"
    undo_none: str = "Nothing was reviewed here yet."
    not_kept: str = "No image of it was kept, so it cannot be taught (NOMINAL_IMAGE_KEEP={keep})."
    done: Mapping[str, str] = field(
        default_factory=lambda: _frozen(
            confirmed_defect="{part}: defect confirmed.",
            false_alarm="{part}: false alarm.",
            missed_defect="{part}: missed defect.",
            taught="{part}: false alarm, and its image is in the nominal set.",
            duplicate="{part}: false alarm; its image was in the nominal set already.",
            undone="{part}: taken back.",
        )
    )
    agreement: str = "Agreement"
    agreement_hint: str = "Reviews that agree with the decision, {count} of {total}."
    agreement_none: str = "no review yet"
    confirmed: str = "Defects confirmed"
    alarms: str = "False alarms"
    missed_total: str = "Missed defects"
    queue: str = "In the queue"
    more: str = "Next {n}"
    list: str = "Waiting inspections"
    keys: Mapping[str, str] = field(
        default_factory=lambda: _frozen(defect="D", alarm="F", teach="T", skip="S", back="B", undo="U")
    )


REVIEW = Review()
