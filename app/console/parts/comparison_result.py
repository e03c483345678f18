"""What a comparison found: counts, and the parts with both scores."""

from __future__ import annotations

from collections import Counter

from nicegui import ui

from app.console.formats import moment, score
from app.console.parts.comparison_run import Run
from app.console.parts.flip_list import arrow, thumbnail, verdict_badge
from app.console.text.compare import COMPARE as TEXT
from app.console.text.shell import SHELL
from app.console.view import View
from app.console.widgets.badges import decision_badge
from app.console.widgets.buttons import secondary
from app.console.widgets.layout import figure
from app.insight.comparing import Pair, Side
from app.store.schema import Verdict

PAGE = 25  # rows shown at a time
DEFECTS: tuple[Verdict, ...] = ("confirmed_defect", "missed_defect")


def figures(run: Run) -> None:
    """How many were compared, decided alike or not, and how many each version has right by review."""
    failed = sum(pair.problem is not None for pair in run.pairs)
    compared, flips = len(run.pairs) - failed, len(run.flips)
    with ui.element("div").classes("n-figures"):
        figure(TEXT.compared, f"{compared:,}")
        figure(TEXT.alike, f"{compared - flips:,}")
        figure(TEXT.flips, f"{flips:,}")
        if failed:
            figure(TEXT.failed, f"{failed:,}")
        for place, number in enumerate(run.versions):
            right, reviewed = _right(run.pairs, place)
            hint = TEXT.right_hint.format(total=f"{reviewed:,}")
            value = f"{right:,}" if reviewed else TEXT.none_reviewed
            figure(TEXT.right.format(n=number), value, hint if reviewed else "")
    if flips:
        _turned(run.flips)


def _turned(flips: list[Pair]) -> None:
    """How many flips there are of each kind."""
    kinds = Counter((pair.a.decision, pair.b.decision) for pair in flips if pair.a and pair.b)
    with ui.element("div").classes("n-turned"):
        ui.label(TEXT.turned).classes("n-figure-name")
        with ui.element("div").classes("n-row n-turns"):
            for (before, after), count in kinds.most_common():
                with ui.element("span").classes("n-turn"):
                    ui.label(f"{count:,}").classes("n-strong")
                    decision_badge(before)
                    arrow()
                    decision_badge(after)


def table(view: View, run: Run, every: bool, shown: int = PAGE) -> None:
    """The parts decided otherwise, or every part."""
    pairs = run.pairs if every else run.flips
    if not pairs:
        ui.label(TEXT.no_flips).classes("n-caption")
        return
    holder = ui.element("div")

    def show(count: int) -> None:
        holder.clear()
        with holder:
            _table(view, run, pairs[:count])
            if len(pairs) > count:
                with ui.element("div").classes("n-more"):
                    secondary(view, SHELL.load_more, lambda: show(count + 4 * PAGE))

    show(shown)


def _table(view: View, run: Run, pairs: list[Pair]) -> None:
    heads = (TEXT.part, TEXT.verdict, *(TEXT.version.format(n=number) for number in run.versions))
    with ui.element("table").classes("n-table"):
        with ui.element("thead"), ui.element("tr"):
            for name in heads:
                with ui.element("th").props('scope="col"'):
                    ui.label(name)
        with ui.element("tbody"):
            for pair in pairs:
                _row(view, pair)


def _row(view: View, pair: Pair) -> None:
    row = pair.inspection
    with ui.element("tr").mark(f"pair-{row.id}"):
        with ui.element("td"), ui.element("div").classes("n-row n-nowrap"):
            thumbnail(view, row, side=144)
            with ui.element("div").classes("n-flip-text"):
                ui.label(row.serial or row.name or row.id).classes("n-strong")
                ui.label(moment(row.created_at)).classes("n-caption")
        with ui.element("td"):
            if row.verdict is not None:
                verdict_badge(row.verdict)
            else:
                ui.label(TEXT.not_reviewed).classes("n-caption")
        for side in (pair.a, pair.b):
            with ui.element("td"):
                _side(side)


def _side(side: Side | None) -> None:
    if side is None:
        ui.label(TEXT.not_scored).classes("n-caption")
        return
    with ui.element("div").classes("n-row"):
        ui.label(score(side.score)).classes("n-strong")
        decision_badge(side.decision)


def _right(pairs: list[Pair], place: int) -> tuple[int, int]:
    """(decisions that the review confirms, reviewed pairs) of one version."""
    right = reviewed = 0
    for pair in pairs:
        side, verdict = (pair.a, pair.b)[place], pair.inspection.verdict
        if side is not None and verdict is not None:
            reviewed += 1
            right += (verdict in DEFECTS) == (side.decision != "accept")
    return right, reviewed
