"""One run of a comparison on a page, followed and cancelled, ended with the page; and what it found."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from nicegui import ui

from app.console.pages.compare.words import COMPARE as TEXT
from app.console.view import View
from app.console.widgets import blocks
from app.console.widgets.blocks import arrow, badge, block, decision_badge, figure, verdict_of
from app.console.widgets.controls import more
from app.console.widgets.viewer import thumbnail
from app.console.words import moment, score
from app.insight import comparing
from app.insight.comparing import Pair, Side
from app.store.schema import Verdict

PAGE = 25  # rows shown at a time
DEFECTS: tuple[Verdict, ...] = ("confirmed_defect", "missed_defect")


@dataclass(eq=False)
class Run:
    """``pairs`` are those compared so far. ``told`` is called after each, and at the end."""

    view: View
    bank: str
    versions: tuple[int, int]
    told: Callable[[], None]
    pairs: list[Pair] = field(default_factory=list)
    total: int | None = None
    ended: bool = False
    cancelled: bool = False
    _task: asyncio.Task[None] | None = None

    async def follow(self, limit: int) -> None:
        """Returns once all are compared or the run was cancelled. Raises what ``comparing.prepare`` raises."""
        self._task = asyncio.create_task(self._run(limit))
        self.view.client.on_delete(self.cancel)
        try:
            await self._task
        except asyncio.CancelledError:
            if not self.cancelled:
                raise
        finally:
            self.ended = True
        self.told()

    def cancel(self) -> None:
        """End it after the image at hand."""
        if self._task is not None and not self._task.done():
            self.cancelled = True
            self._task.cancel()

    async def _run(self, limit: int) -> None:
        a, b = self.versions
        comparison = await comparing.prepare(self.view.service.inspecting, self.bank, a, b, limit)
        self.total = len(comparison.rows)
        self.told()
        async for pair in comparison.pairs():
            self.pairs.append(pair)
            self.told()

    @property
    def unseen(self) -> list[Pair]:
        """What neither version has learnt: only these say how the versions judge other parts."""
        return [pair for pair in self.pairs if not pair.learnt]

    @property
    def flips(self) -> list[Pair]:
        """What the versions decide differently of that."""
        return [pair for pair in self.unseen if pair.flipped]


def figures(run: Run) -> None:
    """How many were compared, decided alike or not, and how many each version has right by review."""
    failed = sum(pair.problem is not None for pair in run.unseen)
    compared, flips = len(run.unseen) - failed, len(run.flips)
    with block("n-figures"):
        figure(TEXT.compared, f"{compared:,}")
        figure(TEXT.alike, f"{compared - flips:,}")
        figure(TEXT.flips, f"{flips:,}")
        if learnt := len(run.pairs) - len(run.unseen):
            figure(TEXT.learnt, f"{learnt:,}", TEXT.learnt_hint)
        if failed:
            figure(TEXT.failed, f"{failed:,}")
        for place, number in enumerate(run.versions):
            right, reviewed = _right(run.unseen, place)
            hint = TEXT.right_hint.format(total=f"{reviewed:,}")
            value = f"{right:,}" if reviewed else TEXT.none_reviewed
            figure(TEXT.right.format(n=number), value, hint if reviewed else "")
    if flips:
        _turned(run.flips)


def _turned(flips: list[Pair]) -> None:
    """How many flips there are of each kind."""
    kinds = Counter((pair.a.decision, pair.b.decision) for pair in flips if pair.a and pair.b)
    with block("n-turned"):
        ui.label(TEXT.turned).classes("n-figure-name")
        with block("n-row n-turns"):
            for (before, after), count in kinds.most_common():
                with block("n-turn", "span"):
                    ui.label(f"{count:,}").classes("n-strong")
                    decision_badge(before)
                    arrow()
                    decision_badge(after)


def table(view: View, run: Run, which: str, shown: int = PAGE) -> None:
    """The parts decided otherwise (flips), those that a version learnt, or every part (all)."""
    pairs = {"flips": run.flips, "learnt": [pair for pair in run.pairs if pair.learnt]}.get(which, run.pairs)
    if not pairs:
        ui.label(TEXT.none_learnt if which == "learnt" else TEXT.no_flips).classes("n-caption")
        return
    holder = ui.element("div")

    def show(count: int) -> None:
        holder.clear()
        with holder:
            _table(view, run, pairs[:count])
            if len(pairs) > count:
                more(view, lambda: show(count + 4 * PAGE))

    show(shown)


def _table(view: View, run: Run, pairs: list[Pair]) -> None:
    heads = (TEXT.part, TEXT.verdict, *(TEXT.version.format(n=number) for number in run.versions))
    with blocks.table(*heads):
        for pair in pairs:
            _row(view, pair)


def _row(view: View, pair: Pair) -> None:
    row = pair.inspection
    with ui.element("tr").mark(f"pair-{row.id}"):
        with ui.element("td"), block("n-row n-nowrap"):
            thumbnail(view, row, side=144)
            with block("n-flip-text"):
                ui.label(row.serial or row.name or row.id).classes("n-strong")
                ui.label(moment(row.created_at)).classes("n-caption")
                if pair.learnt:
                    numbers = TEXT.both.join(map(str, pair.learnt))
                    badge(TEXT.learnt_by[len(pair.learnt) > 1].format(n=numbers), "school")
        with ui.element("td"):
            verdict_of(row)
        for side in (pair.a, pair.b):
            with ui.element("td"):
                _side(side)


def _side(side: Side | None) -> None:
    if side is None:
        ui.label(TEXT.not_scored).classes("n-caption")
        return
    with block("n-row"):
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
