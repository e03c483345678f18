"""A score against its thresholds: a bar of three zones, a needle, both thresholds marked."""

from __future__ import annotations

from nicegui import ui

from app.console.formats import score
from app.console.parts.elements import block, styled
from app.console.text.answer import ANSWER as TEXT
from app.console.text.words import WORDS
from app.store.schema import Inspection

ROOM = 1.4  # of the bar's length to what lies furthest right


def gauge(row: Inspection) -> ui.element:
    """From 0 to a little beyond score and thresholds, whichever is larger."""
    review, reject = row.review_threshold, row.reject_threshold
    end = ROOM * max(row.score, reject, 1e-9)
    one = review == reject
    words = TEXT.gauge_one if one else TEXT.gauge
    said = words.format(score=score(row.score), review=score(review), reject=score(reject))
    with block("n-gauge", role="img", aria_label=said) as made:
        with block("n-gauge-bar"):
            _zone("accept", 0, review / end)
            _zone("review", review / end, reject / end)
            _zone("reject", reject / end, 1)
            styled(block(f"n-needle n-ink-{row.decision}"), at=f"{100 * row.score / end:.2f}%")
        with block("n-gauge-marks"):
            if not one:
                _mark(review, end, TEXT.review_above, left=True)
            _mark(reject, end, TEXT.reject_above, left=False)
    return made


def _zone(name: str, start: float, stop: float) -> None:
    if stop <= start:
        return
    with styled(block(f"n-band n-band-{name}"), share=f"{100 * (stop - start):.2f}%"):
        if stop - start > 0.15:
            ui.label(WORDS.decisions[name])


def _mark(value: float, end: float, name: str, *, left: bool) -> None:
    side = "n-mark-left" if left else "n-mark-right"
    with styled(block(f"n-gauge-mark {side}"), at=f"{100 * value / end:.2f}%"):
        ui.label(name)
        ui.label(score(value)).classes("n-strong")
