"""Decisions and states as icon and word; colour only underlines them."""

from __future__ import annotations

from nicegui import ui

from app.console.text.words import WORDS
from app.store.schema import Decision

DECISIONS: dict[Decision, str] = {"accept": "check_circle", "review": "visibility", "reject": "cancel"}


def decision_badge(decision: Decision) -> ui.element:
    """Accept, review or reject."""
    return badge(WORDS.decisions[decision], DECISIONS[decision], decision)


def badge(word: str, icon: str, kind: str = "neutral") -> ui.element:
    """``kind``: accept, review, reject, accent or neutral."""
    with ui.element("span").classes(f"n-badge n-{kind}") as block:
        ui.icon(icon).props('aria-hidden="true"')
        ui.label(word)
    return block


def decision_count(decision: Decision, count: int) -> ui.element:
    """How many of a decision."""
    return badge(
        f"{count:,} {WORDS.decisions[decision]}", DECISIONS[decision], decision if count else "neutral"
    )
