"""Compare versions: two of them over the same kept images; what would flip; activate one."""

from __future__ import annotations

from nicegui import ui

from app.console.pages.compare import comparison
from app.console.pages.compare.comparison import Run
from app.console.pages.compare.words import COMPARE as TEXT
from app.console.view import View, page
from app.console.widgets.activation import ask_activation
from app.console.widgets.blocks import block, empty_state, page_header, row, section
from app.console.widgets.controls import enable, primary, secondary, untaught
from app.console.words import age
from app.store.schema import Version

FIELD = "outlined dense options-dense"


@page("/banks/{bank}/compare", TEXT.name, icon="compare_arrows", order=60)
async def show(view: View) -> None:
    """The versions to choose are in the address: ``?a=1&b=2``."""
    view.use("inspection.css", "viewer.js")
    bank = view.own_bank
    page_header(TEXT.name, TEXT.lead.format(bank=bank.title))
    found = await view.run(lambda: view.store.versions.all(bank.id))
    if len(found) < 2:
        untaught(view, "compare_arrows", TEXT.none, TEXT.none_hint)
        return
    Comparing(view, found)


class Comparing:
    """Choice, progress and result."""

    def __init__(self, view: View, found: list[Version]) -> None:
        self._view, self._bank = view, view.own_bank
        self._run: Run | None = None
        names = {each.number: self._name(each) for each in found}
        first, second = _chosen(view, [each.number for each in found])
        with section(TEXT.setup, TEXT.setup_hint):
            with block("n-compare-choice"):
                self._a = ui.select(names, label=TEXT.first, value=first).props(FIELD)
                self._b = ui.select(names, label=TEXT.second, value=second).props(FIELD)
                self._count = ui.select(dict(TEXT.counts), label=TEXT.count, value=100).props(FIELD)
                with row():
                    self._start = primary(
                        view, TEXT.start, self._compare, icon="compare_arrows", role="inspect"
                    )
                    self._cancel = secondary(view, TEXT.cancel, self._stop, icon="close")
                    self._cancel.set_visibility(False)
            self._progress = block("n-run")
        self._result = ui.element("div")
        for select in (self._a, self._b):
            select.on_value_change(self._checked)
        self._checked()
        self._nothing_yet()

    def _nothing_yet(self) -> None:
        self._result.clear()
        with self._result:
            empty_state("compare_arrows", TEXT.not_yet, TEXT.not_yet_hint)

    def _name(self, version: Version) -> str:
        form = TEXT.active if version.number == self._bank.active_version else TEXT.version
        images = version.summary.get("images", 0)
        built = TEXT.built.format(images=f"{images:,}", when=age(version.created_at))
        return f"{form.format(n=version.number)}: {built}"

    def _checked(self) -> None:
        if self._view.may("inspect"):
            enable(self._start, self._a.value != self._b.value, TEXT.same)

    async def _compare(self) -> None:
        run = self._run = Run(self._view, self._bank.id, (self._a.value, self._b.value), self._told)
        self._switch(running=True)
        self._result.clear()
        self._told()
        try:
            await run.follow(self._count.value)
            self._show(run)
        except Exception:
            self._nothing_yet()
            raise
        finally:
            self._switch(running=False)
            self._progress.clear()

    def _stop(self) -> None:
        if self._run is not None:
            self._run.cancel()

    def _switch(self, running: bool) -> None:
        self._start.set_visibility(not running)
        self._cancel.set_visibility(running)

    def _told(self) -> None:
        """How far it is."""
        run = self._run
        if run is None or run.ended:
            return
        self._progress.clear()
        with self._progress:
            done, total = len(run.pairs), run.total
            bar = ui.linear_progress(done / total if total else 0, show_value=False)
            bar.props(f'instant-feedback aria-label="{TEXT.progress}"')
            if total is None:
                bar.props("indeterminate")
            text = TEXT.preparing if total is None else TEXT.running.format(done=done, total=total)
            ui.label(text).classes("n-caption").props('role="status"')

    def _show(self, run: Run) -> None:
        self._result.clear()
        with self._result:
            if run.total == 0:
                empty_state("hide_image", TEXT.nothing_kept, TEXT.nothing_kept_hint)
                return
            if run.total is not None and len(run.pairs) < run.total:
                self._broke_off(run)
            with section(TEXT.result):
                comparison.figures(run)
                with row().classes("n-result-actions"):
                    self._activation(run.versions[1])
            with section():
                self._parts(run)

    def _broke_off(self, run: Run) -> None:
        text = TEXT.cancelled if run.cancelled else TEXT.ended_early
        with block("n-banner").props('role="status"'):
            ui.icon("info").props('aria-hidden="true"')
            ui.label(text.format(done=len(run.pairs), total=run.total))

    def _parts(self, run: Run) -> None:
        choice = ui.toggle(dict(TEXT.show), value="flips").classes("n-toggle").props("toggle-text-color=ink")
        choice.props(f'no-caps unelevated dense aria-label="{TEXT.show_label}"')
        holder = block("n-result-table")

        def fill() -> None:
            holder.clear()
            with holder:
                comparison.table(self._view, run, str(choice.value))

        choice.on_value_change(fill)
        fill()

    def _activation(self, number: int) -> None:
        view, bank = self._view, self._bank
        old = bank.active_version

        async def ask() -> None:
            swapped = f"{view.url('banks', bank.id, 'compare')}?a={number}&b={old}"
            await ask_activation(view, bank, number, lambda: view.go(swapped))

        button = secondary(
            view, TEXT.activate.format(n=number), ask, icon="published_with_changes", role="admin"
        )
        if number == old:
            enable(button, False, TEXT.is_active)


def _chosen(view: View, numbers: list[int]) -> tuple[int, int]:
    """Of the address; else the active version, and the newest other one."""
    asked = [int(text) if (text := view.query(name) or "").isdecimal() else None for name in ("a", "b")]
    active = view.own_bank.active_version
    first = asked[0] if asked[0] in numbers else active if active in numbers else numbers[-1]
    second = asked[1] if asked[1] in numbers else next(n for n in numbers if n != first)
    assert first is not None
    assert second is not None
    return first, second
