"""The strip of results on the page that inspects by hand: one tile per image, a plain message per refused file."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from nicegui import ui

from app.console.pages.inspect.words import INSPECT as TEXT
from app.console.view import View
from app.console.widgets.answer import name_of
from app.console.widgets.blocks import block, decision_icon
from app.console.widgets.controls import icon_button, secondary
from app.console.widgets.viewer import picture_url
from app.console.words import WORDS, score
from app.store.schema import Inspection

TILES = 48  # of the newest results; the older ones are in the ledger


@dataclass(eq=False)
class Item:
    """One file. ``row`` once it is inspected, ``fault`` once it is not; ``again``: whether another try may help."""

    key: str
    name: str
    row: Inspection | None = None
    fault: str | None = None
    again: bool = False


class Strip:
    """What became of every file, newest last."""

    def __init__(self, view: View, choose: Callable[[Inspection], None]) -> None:
        self._view, self._choose = view, choose
        self._items: dict[str, Item] = {}
        self._chosen: str | None = None
        self._head = block("n-strip-head")
        self._tiles = block("n-strip", "ul", aria_label=TEXT.strip)
        self._faults = block("n-faults")

    def queued(self, key: str, name: str) -> None:
        """A file is on its way."""
        self._items[key] = Item(key, name)
        while len(self._items) > TILES:
            self._items.pop(next(iter(self._items)))

    def answered(self, key: str, row: Inspection) -> None:
        """It was inspected."""
        self._items.setdefault(key, Item(key, name_of(row))).row = row

    def refused(self, key: str, name: str, fault: str, *, again: bool) -> None:
        """It was not, and why."""
        item = self._items.setdefault(key, Item(key, name))
        item.fault, item.again = fault, again

    def choose(self, row: Inspection) -> None:
        """Which one is shown."""
        self._chosen = row.id
        self._choose(row)

    def show(self) -> None:
        """Draw it as it is now."""
        items = self._items.values()
        faults = [item for item in items if item.fault is not None]
        for part in (self._head, self._tiles, self._faults):
            part.clear()
        with self._head:
            self._progress([item for item in items if item.fault is None])
        with self._tiles:
            for item in items:
                if item.fault is None:
                    with ui.element("li"):
                        self._tile(item)
        with self._faults:
            self._messages(faults)

    def _progress(self, items: list[Item]) -> None:
        if not items:
            return
        done = sum(item.row is not None for item in items)
        words = (
            TEXT.all_done(done) if done == len(items) else TEXT.progress.format(done=done, total=len(items))
        )
        ui.label(words).classes("n-caption").props('role="status"')
        if done < len(items):
            ui.linear_progress(done / len(items), show_value=False).props("instant-feedback")

    def _tile(self, item: Item) -> None:
        row = item.row
        if row is None:
            with block("n-result n-result-waiting", title=item.name):
                ui.spinner(size="20px")
                ui.label(item.name).classes("n-result-name")
            return
        said = f"{WORDS.decisions[row.decision]} {score(row.score)} {name_of(row)}"
        chosen = "n-chosen" if row.id == self._chosen else ""
        with block(f"n-result {chosen}", "button", type="button", title=said) as tile:
            block(
                "n-result-image",
                "img",
                src=f"{picture_url(self._view, row)}photo?side=160",
                alt="",
                decoding="async",
            )
            with block("n-result-words"):
                with block(f"n-result-line n-ink-{row.decision}"):
                    decision_icon(row.decision)
                    ui.label(score(row.score))
                ui.label(name_of(row)).classes("n-result-name")
        tile.on("click", self._view.handler(lambda: self._chose(row)))

    def _chose(self, row: Inspection) -> None:
        self.choose(row)
        self.show()

    def _messages(self, faults: list[Item]) -> None:
        if not faults:
            return
        with block("n-refusal-list", role="alert"):
            ui.label(TEXT.faults(len(faults))).classes("n-strong")
            for item in faults:
                self._message(item)

    def _message(self, item: Item) -> None:
        with block("n-refusal"):
            with block("n-refusal-head"):
                ui.icon("error").props('aria-hidden="true"')
                ui.label(item.name).classes("n-strong")
                icon_button(self._view, "close", TEXT.dismiss, lambda: self._dismiss(item))
            ui.label(item.fault or "")
            if item.again:
                secondary(self._view, TEXT.again, lambda: self._again(item), role="inspect")

    def _again(self, item: Item) -> None:
        item.fault = None
        self.show()
        self._view.client.run_javascript(f"nominal.inspect.again({item.key!r})")

    def _dismiss(self, item: Item) -> None:
        self._items.pop(item.key, None)
        self.show()
