"""The blocks of a page: elements and tables, headings, sections, figures; decisions and states; nothing to show yet."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from nicegui import ui

from app.console.widgets.words import ANSWER
from app.console.words import WORDS
from app.store.schema import Decision, Finding, Inspection

DECISIONS: dict[Decision, str] = {"accept": "check_circle", "review": "visibility", "reject": "cancel"}
VERDICTS: dict[str, tuple[str, str]] = {
    "confirmed_defect": ("report", "reject"),
    "false_alarm": ("thumb_up", "accept"),
    "missed_defect": ("report", "reject"),
    "withdrawn": ("undo", "neutral"),
}


def block(classes: str, tag: str = "div", **attributes: object) -> ui.element:
    """An element; ``aria_label`` stands for ``aria-label``. An attribute's value may hold anything."""
    made = ui.element(tag).classes(classes)
    for name, value in attributes.items():
        made.props[name.rstrip("_").replace("_", "-")] = value
    return made


def text(words: str, classes: str = "", tag: str = "span") -> ui.element:
    """Words in an element of their own."""
    with ui.element(tag).classes(classes) as made:
        ui.label(words)
    return made


def styled(element: ui.element, **values: object) -> ui.element:
    """CSS variables: ``x=1`` becomes ``--x: 1``."""
    element.style("; ".join(f"--{name}: {value}" for name, value in values.items()))
    return element


def row() -> ui.element:
    """Side by side, 8 px apart, wrapping."""
    return block("n-row")


@contextmanager
def table(*heads: str, classes: str = "n-table") -> Iterator[ui.element]:
    """A table under these heads, which scrolls by itself where it is too wide; its rows are made in the block."""
    scroll = block("n-scroll", role="group", aria_label=heads[0], tabindex=0)
    with scroll, block(classes, "table"):
        with ui.element("thead"), ui.element("tr"):
            for head in heads:
                text(head, tag="th" if head else "td").props('scope="col"' if head else "")
        with ui.element("tbody") as body:
            yield body


def fact(name: str, value: str) -> None:
    """A name and its value, in a list ``dl``."""
    with block("n-fact"):
        text(name, tag="dt")
        text(value, tag="dd")


def page_header(title: str, subtitle: str = "") -> ui.element:
    """The page's heading; its actions go into the element this gives."""
    with block("n-page-header"):
        with block("n-page-heading"):
            text(title, tag="h1")
            if subtitle:
                ui.label(subtitle).classes("n-caption")
        return block("n-row n-actions")


def section(title: str = "", hint: str = "") -> ui.element:
    """A bordered block; its content goes inside."""
    with block("n-section", "section") as made:
        if title:
            text(title, tag="h2")
        if hint:
            ui.label(hint).classes("n-caption n-section-hint")
    return made


def figure(name: str, value: str, hint: str = "") -> ui.element:
    """A number with its name above it."""
    with block("n-figure") as made:
        ui.label(name).classes("n-figure-name")
        ui.label(value).classes("n-figure-value")
        if hint:
            ui.label(hint).classes("n-caption")
    return made


def badge(word: str, icon: str, kind: str = "neutral") -> ui.element:
    """Icon and word, underlined by colour. ``kind``: accept, review, reject, accent or neutral."""
    with block(f"n-badge n-{kind}", "span") as made:
        ui.icon(icon).props('aria-hidden="true"')
        ui.label(word)
    return made


def decision_badge(decision: Decision) -> ui.element:
    """Accept, review or reject."""
    return badge(WORDS.decisions[decision], DECISIONS[decision], decision)


def decision_icon(decision: Decision) -> ui.icon:
    """Accept, review or reject as a picture that is read aloud as the word."""
    return ui.icon(DECISIONS[decision]).props(f'role="img" aria-label="{WORDS.decisions[decision]}"')


def decision_count(decision: Decision, count: int) -> ui.element:
    """How many of a decision."""
    word = f"{count:,} {WORDS.decisions[decision]}"
    return badge(word, DECISIONS[decision], decision if count else "neutral")


def verdict_badge(verdict: Finding, decision: Decision) -> ui.element:
    """What a person found; an accepted part that is good is not a false alarm."""
    icon, kind = VERDICTS[verdict]
    agreed = verdict == "false_alarm" and decision == "accept"
    return badge(ANSWER.good_verdict if agreed else ANSWER.verdicts[verdict], icon, kind)


def verdict_of(row: Inspection) -> None:
    """The badge of its verdict, or that nobody reviewed it."""
    if row.verdict is not None:
        verdict_badge(row.verdict, row.decision)
    else:
        ui.label(ANSWER.verdicts["none"]).classes("n-caption")


def arrow() -> None:
    """From one decision to the next."""
    ui.icon("arrow_forward").classes("n-flip-arrow").props(f'role="img" aria-label="{ANSWER.becomes}"')


def empty_state(icon: str, title: str, hint: str) -> ui.element:
    """Nothing to show yet, and what to do next; add the button for that inside the block it gives."""
    with block("n-empty") as made:
        ui.icon(icon).classes("n-empty-icon").props('aria-hidden="true"')
        ui.label(title).classes("n-empty-title")
        ui.label(hint).classes("n-empty-hint")
    return made
