"""Words of the review queue."""

from __future__ import annotations

from dataclasses import dataclass

from app.console.words import Plural


@dataclass(frozen=True)
class Review:
    """English."""

    name: str = "Review queue"
    lead: str = "Rejected parts first, then those to review. Say what each one really is."
    none: str = "Nothing waits for review"
    none_hint: str = "New inspections appear here by themselves: rejected ones first, then those to review."
    no_match: str = "Nothing that matches waits for review"
    end: str = "That was the last one"
    end_hint: Plural = Plural("{n} skipped inspection still waits.", "{n} skipped inspections still wait.")
    end_clean: str = "Everything in this queue has been reviewed."
    begin_again: str = "Start again"
    look_again: str = "Look again"
    agreement: str = "Agreement"
    agreement_hint: str = "Reviews that agree with the decision: {count} of {total}."
    agreement_none: str = "no review yet"
    confirmed: str = "Defects confirmed"
    alarms: str = "False alarms"
    missed_total: str = "Missed defects"
    queue: str = "In the queue"
    list: str = "Waiting inspections"


REVIEW = Review()
