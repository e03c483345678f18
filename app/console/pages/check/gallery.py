"""The images of a check by what became of them, misses first; each opens with its map, and the next one from there."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

from nicegui import ui

from app.console.pages.check.words import CHECK as TEXT
from app.console.pictures import SIDE
from app.console.view import View
from app.console.widgets.blocks import badge, block
from app.console.widgets.controls import dialog, enable, more, secondary
from app.console.widgets.picture import Shown, picture
from app.console.widgets.viewer import NOMINAL_SIDE
from app.console.words import SHELL, score
from app.insight.checks import COUNTED, CheckedImage, Outcome, Tried

PAGE = 48  # images shown at a time
BADGES: dict[Outcome, tuple[str, str]] = {
    "missed": ("report", "reject"),
    "false_alarm": ("thumb_up", "review"),
    "found": ("check_circle", "accept"),
    "passed": ("check_circle", "accept"),
    "undecided": ("help", "neutral"),
    "learnt": ("school", "neutral"),
    "unreadable": ("hide_image", "reject"),
    "unscored": ("schedule", "neutral"),
}


class Gallery:
    """Of one version on one set. ``changed`` is called once an image was taken out of the set."""

    def __init__(self, view: View, check: str, tried: Tried, changed: Callable[[], Awaitable[None]]) -> None:
        self._view, self._check, self._tried, self._changed = view, check, tried, changed
        wrong = tried.of("missed", "false_alarm")
        choice = ui.toggle(dict(TEXT.show), value="wrong" if wrong else "all").classes("n-toggle")
        choice.props(f'no-caps unelevated dense toggle-text-color=ink aria-label="{TEXT.show_label}"')
        self._tiles = block("n-found")

        def fill() -> None:
            self._fill(self._chosen(str(choice.value)), str(choice.value), PAGE)

        choice.on_value_change(fill)
        fill()

    def _chosen(self, which: str) -> Sequence[CheckedImage]:
        if which == "wrong":
            return self._tried.of("missed", "false_alarm")
        if which == "aside":
            return [each for each in self._tried.images if each.outcome not in COUNTED]
        return self._tried.images

    def _fill(self, images: Sequence[CheckedImage], which: str, count: int) -> None:
        self._tiles.clear()
        with self._tiles:
            if not images:
                ui.label(TEXT.none_wrong if which == "wrong" else TEXT.none_aside).classes("n-caption")
            with block("n-tiles n-tiles-wide"):
                for place in range(min(count, len(images))):
                    self._tile(images, place)
            if len(images) > count:
                more(self._view, lambda: self._fill(images, which, count + 2 * PAGE))

    def _tile(self, images: Sequence[CheckedImage], place: int) -> None:
        view, each = self._view, images[place]
        image = each.image
        small = view.url("v1", "banks", image.bank, "checks", self._check, "images", image.sha256)
        with block("n-tile", "figure").mark(f"checked-{image.sha256}"):
            look = TEXT.look.format(name=image.name)
            with block("n-tile-button", "button", type="button", aria_label=look) as button:
                source = f"{small}/thumbnail?side={NOMINAL_SIDE}"
                block("n-thumbnail", "img", src=source, alt="", loading="lazy", decoding="async")
            button.on("click", view.handler(lambda: self._open(images, place)))
            with ui.element("figcaption"):
                ui.label(image.name).classes("n-tile-name").props["title"] = image.name
            with block("n-tile-foot"):
                badge(TEXT.outcomes[each.outcome], *BADGES[each.outcome])
                ui.label(_about(each)).classes("n-caption")

    def _open(self, images: Sequence[CheckedImage], place: int) -> None:
        """In a dialog, from which the images before and after it can be reached."""
        view = self._view
        at = place
        with view.client, dialog(TEXT.pictures) as made:
            made.classes("n-picture-dialog")
            body = ui.element("div")
            with block("n-row n-dialog-actions"):
                back = secondary(view, TEXT.previous, lambda: turn(-1), icon="chevron_left")
                forth = secondary(view, TEXT.next, lambda: turn(1), icon="chevron_right")
                secondary(
                    view,
                    TEXT.remove,
                    lambda: self._remove(images[at], made.close),
                    icon="delete",
                    role="admin",
                )
                secondary(view, SHELL.close, made.close)

        def turn(by: int) -> None:
            nonlocal at
            at = min(max(at + by, 0), len(images) - 1)
            enable(back, at > 0)
            enable(forth, at < len(images) - 1)
            body.clear()
            with body:
                self._show(images[at], at, len(images))

        turn(0)

    def _show(self, each: CheckedImage, place: int, total: int) -> None:
        image = each.image
        with block("n-row"):
            badge(TEXT.outcomes[each.outcome], *BADGES[each.outcome])
            ui.label(image.name).classes("n-strong")
            ui.label(_about(each)).classes("n-caption")
            ui.label(TEXT.place.format(n=place + 1, total=total)).classes("n-caption").props('role="status"')
        if each.problem is not None:
            ui.label(each.problem)
            return
        if each.learnt is not None:
            ui.label(TEXT.learnt[each.learnt]).classes("n-caption")
        at = self._view.url("media", "banks", image.bank, "checks", self._check, image.sha256)
        longest = max(image.width, image.height)
        whole = f"{at}?side={longest}" if longest > SIDE else None
        maps = f"{at}/versions/{self._tried.version}/"
        picture(Shown(image.width, image.height, f"{at}?side={SIDE}", whole, maps, each.regions))

    async def _remove(self, each: CheckedImage, close: Callable[[], object]) -> None:
        view, image = self._view, each.image
        await view.run(
            lambda: view.store.checks.remove_image(image.bank, self._check, image.sha256, actor=view.actor.id)
        )
        close()
        await self._changed()


def _about(each: CheckedImage) -> str:
    if each.score is None:
        return TEXT.unscored.format(kind=each.image.kind)
    return TEXT.about.format(kind=each.image.kind, score=score(each.score))
