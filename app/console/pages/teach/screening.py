"""A look over the nominal set: parts, copies, suspects, mixtures; a person unticks images and has them removed."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Any

from nicegui import ui

from app.console.pages.teach.words import CHECK as TEXT
from app.console.view import View
from app.console.widgets.blocks import block, section, text
from app.console.widgets.controls import confirm, danger, secondary, show
from app.console.widgets.job_panel import JobPanel
from app.console.widgets.viewer import NOMINAL_SIDE
from app.console.words import moment, percent
from app.learning import screenings
from app.learning.jobs import Look
from app.store.schema import ACTIVE_STATES, Job, Screening

LOOK_SECONDS = 2.0
SETS, PICTURES = 24, 8  # sets of one list that are shown, and images of one set
OVERLAY_SIDE = 320  # pixels; a suspect is shown larger than a thumbnail

Report = dict[str, Any]


class ScreeningPanel(JobPanel[Screening]):
    """Shown where it is made. ``changed`` is called once images were removed."""

    def __init__(self, view: View, bank: str, changed: Callable[[], Awaitable[None]]) -> None:
        super().__init__(view, bank)
        self._changed = changed
        self._out: set[str] = set()  # the images that are unticked
        with section(TEXT.name, TEXT.hint):
            with block("n-row"):
                self._start = secondary(view, TEXT.start, self._ask, icon="fact_check", role="admin")
                self._cancel = secondary(view, TEXT.cancel, self._stop, icon="stop", role="admin")
                self._remove = danger(view, "", self._ask_remove, icon="delete", role="admin")
            self._state = ui.label().classes("n-caption").props('role="status"')
            self._found = ui.element("div")
        self.watch(LOOK_SECONDS)

    def _read(self) -> Look[Screening]:
        return screenings.look(self._view.service.learning, self._bank)

    def _begin(self) -> Job:
        return screenings.start(self._view.service.learning, self._bank, self._view.actor.id)

    def _said(self, look: Look[Screening]) -> str:
        job, kept = look.job, look.kept
        if job is not None and job.state in ACTIVE_STATES:
            words = TEXT.stages.get(job.stage or "", TEXT.queued)
            return words.format(done=f"{job.done:,}", total=f"{job.total:,}")
        if job is not None and job.state == "failed":
            return TEXT.failed.format(why=(job.error or {}).get("detail", ""))
        if kept is None:
            return TEXT.never
        return (TEXT.current if look.current else TEXT.stale).format(time=moment(kept.created_at))

    async def _draw(self, look: Look[Screening]) -> None:
        """The report, without images that are no longer in the set."""
        self._found.clear()
        self._out.clear()
        self._count()
        kept = look.kept
        if kept is None:
            return
        learning = self._view.service.learning
        report = await self._view.run(lambda: screenings.report_of(learning, kept))
        names = list(report["names"])
        present = await self._view.run(lambda: learning.store.images.present(self._bank, names))
        with self._found:
            _headline(report)
            self._suspects(report, present)
            for what, title in TEXT.lists.items():
                self._sets(title, report, report[what], present)
            for what, title in TEXT.mixtures.items():
                usual = 0 if what == "unused_bits" else 1  # the others differ from the most frequent kind
                for kind in report[what][usual:]:
                    self._kind(title, report, kind, present)

    def _suspects(self, report: Report, present: set[str]) -> None:
        shown = [each for each in report["suspects"] if each["image"] in present]
        with block("n-found"):
            text(TEXT.suspects, tag="h3")
            ui.label(TEXT.suspects_hint).classes("n-caption")
            with block("n-tiles n-tiles-wide"):
                for each in shown:
                    sha256 = each["image"]
                    at = self._view.url("v1", "banks", self._bank, "screening", "suspects", sha256, "overlay")
                    self._tile(report, sha256, f"{at}?side={OVERLAY_SIDE}")

    def _sets(self, title: str, report: Report, sets: list[list[str]], present: set[str]) -> None:
        some = [left for each in sets if len(left := [image for image in each if image in present]) > 1]
        if not some:
            return
        with self._fold(TEXT.count.format(title=title, n=len(some))):
            for images in some[:SETS]:
                self._tiles(report, images[:PICTURES])
            _more(len(some) - SETS)

    def _kind(self, title: str, report: Report, kind: Report, present: set[str]) -> None:
        """The images of one kind."""
        images = [image for image in kind["images"] if image in present]
        if not images:
            return
        with self._fold(TEXT.kind.format(title=title, what=kind["what"], n=len(images))):
            self._tiles(report, images[: 3 * PICTURES])
            _more(len(images) - 3 * PICTURES)

    @contextmanager
    def _fold(self, summary: str) -> Iterator[None]:
        with block("n-found", "details"):
            text(summary, tag="summary")
            yield

    def _tiles(self, report: Report, images: list[str]) -> None:
        with block("n-tiles n-set"):
            for image in images:
                self._tile(report, image, self._thumbnail(image))

    def _tile(self, report: Report, sha256: str, picture: str) -> None:
        """An image that a person may untick."""
        name = report["names"][sha256]
        whole = self._view.url("v1", "banks", self._bank, "images", sha256)
        with block("n-tile", "figure"):
            with block("", "a", href=whole, target="_blank"):
                block("n-thumbnail", "img", src=picture, alt=name, loading="lazy", decoding="async")
            with ui.element("figcaption"):
                ticked = ui.checkbox(value=sha256 not in self._out).props("dense")
                ticked.props["aria-label"] = TEXT.keep.format(name=name)
                ticked.on_value_change(lambda event: self._tick(sha256, bool(event.value)))
                ui.label(name).classes("n-tile-name").props["title"] = name

    def _thumbnail(self, sha256: str) -> str:
        path = self._view.url("v1", "banks", self._bank, "images", sha256)
        return f"{path}/thumbnail?side={NOMINAL_SIDE}"

    def _tick(self, sha256: str, keep: bool) -> None:
        self._out.discard(sha256) if keep else self._out.add(sha256)
        self._count()

    def _count(self) -> None:
        self._remove.set_text(TEXT.remove(len(self._out)))
        show(self._remove, bool(self._out))

    def _ask_remove(self) -> None:
        confirm(
            self._view, TEXT.remove_title, TEXT.remove_text(len(self._out)), TEXT.remove_word, self._take_out
        )

    async def _take_out(self) -> None:
        view, images = self._view, sorted(self._out)

        def remove() -> None:
            present = view.service.store.images.present(self._bank, images)
            for sha256 in sorted(present):
                view.service.store.images.remove(self._bank, sha256, actor=view.actor.id)

        await view.run(remove)
        view.say(TEXT.removed(len(images)))
        await self.refresh()
        await self._changed()


def _headline(report: Report) -> None:
    about = TEXT.about if report["grouped_by"] == "auto" else ""
    said = TEXT.headline.format(
        photographs=TEXT.photographs(report["images"]),
        parts=about + TEXT.parts(report["parts"]),
        rate=percent(report["supported_false_reject"]),
    )
    text(said, "n-strong", tag="p")
    with block("n-says", "ul"):
        for sentence in report["says"][1:]:
            text(sentence, tag="li")


def _more(count: int) -> None:
    if count > 0:
        ui.label(TEXT.more.format(n=f"{count:,}")).classes("n-caption")
