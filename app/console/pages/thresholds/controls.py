"""The explorer's controls: two sliders with their numbers, or two rates."""

from __future__ import annotations

from collections.abc import Callable

from nicegui import ui

from app.console.pages.thresholds.explorer import Explorer, Given
from app.console.pages.thresholds.words import THRESHOLDS as TEXT
from app.console.widgets.blocks import block
from app.console.widgets.controls import number_field, number_in
from app.console.words import decimal, score
from core.judging.scoring import Thresholds

FIELD = "outlined dense hide-bottom-space"
STEPS = 500  # of a slider


class Controls:
    """``show`` puts thresholds into the sliders without trying them again."""

    def __init__(self, explorer: Explorer) -> None:
        self._explorer, self._setting = explorer, False
        self._mode = ui.toggle(dict(TEXT.modes), value="score").props(
            f'no-caps unelevated dense toggle-text-color=ink aria-label="{TEXT.mode}"'
        )
        self._mode.classes("n-toggle")
        with block("n-controls") as self._scores:
            review, reject = explorer.found.thresholds.review, explorer.found.thresholds.reject
            low, high = explorer.found.edges[0], max(explorer.found.edges[-1], reject)
            margin = 0.1 * (high - low)
            span = max(0.0, low - margin), high + margin
            self._review = _Handle(TEXT.review_above, "review", span, review, self._moved("review"))
            self._reject = _Handle(TEXT.reject_above, "reject", span, reject, self._moved("reject"))
        with block("n-controls") as self._rates:
            rated = explorer.view.handler(self._rated)
            self._reject_rate = _rate(TEXT.reject_rate, self._start_rate(), rated)
            self._review_rate = _rate(TEXT.review_rate, None, rated, TEXT.review_rate_hint)
            ui.label(TEXT.rate_hint).classes("n-caption")
        self._rates.set_visibility(False)
        self._fault = ui.label("").classes("n-fault").props('role="alert"')
        self._mode.on_value_change(explorer.view.handler(self._switched))
        explorer.listeners.append(self._told)

    def show(self, thresholds: Thresholds) -> None:
        """Back to these, by score."""
        self._setting = True
        self._mode.set_value("score")
        self._review.set(thresholds.review)
        self._reject.set(thresholds.reject)
        self._setting = False

    async def put(self, thresholds: Thresholds) -> None:
        """Show these and try them."""
        self.show(thresholds)
        await self._explorer.attempt(self._by_score())

    def _told(self) -> None:
        """What is wrong with the latest; in the mode of rates the sliders follow."""
        self._fault.set_text(self._explorer.fault or "")
        if self._mode.value == "rate":
            self._setting = True
            self._review.set(self._explorer.found.thresholds.review)
            self._reject.set(self._explorer.found.thresholds.reject)
            self._setting = False

    def _moved(self, which: str) -> Callable[..., object]:
        """The other slider gives way, so that review never lies above reject."""

        async def moved() -> None:
            if self._setting:
                return
            self._setting = True
            review, reject = self._review.value, self._reject.value
            if review > reject:
                (self._reject if which == "review" else self._review).set(
                    review if which == "review" else reject
                )
            self._setting = False
            await self._explorer.attempt(self._by_score())

        return self._explorer.view.handler(moved)

    async def _rated(self) -> None:
        if self._mode.value == "rate" and all(
            each.validate() for each in (self._reject_rate, self._review_rate)
        ):
            await self._explorer.attempt(self._by_rate())

    async def _switched(self) -> None:
        rate = self._mode.value == "rate"
        self._scores.set_visibility(not rate)
        self._rates.set_visibility(rate)
        if not self._setting:
            await self._explorer.attempt(self._by_rate() if rate else self._by_score())

    def _by_score(self) -> Given:
        return {"review_threshold": self._review.value, "reject_threshold": self._reject.value}

    def _by_rate(self) -> Given:
        reject, review = number_in(self._reject_rate), number_in(self._review_rate)
        return {
            "target_false_reject": (reject or 0) / 100,
            "target_review": review / 100 if review else None,
            "review_threshold": None,
            "reject_threshold": None,
        }

    def _start_rate(self) -> float:
        subject = self._explorer.subject
        asked = subject.bank.target_false_reject or subject.record.config.target_false_reject
        return round(100 * asked, 6)


class _Handle:
    """A slider and its number, which move each other; ``moved`` hears of people's moves."""

    def __init__(
        self, name: str, kind: str, span: tuple[float, float], value: float, moved: Callable[..., object]
    ) -> None:
        step = (span[1] - span[0]) / STEPS
        with ui.element("div").classes(f"n-handle n-ink-{kind}"):
            ui.label(name).classes("n-handle-name")
            self._slider = ui.slider(min=span[0], max=span[1], step=step, value=value)
            self._slider.props(f'aria-label="{name}"')
            self._number = number_field("", None).classes("n-handle-number")
            self._number.props(f'{FIELD} debounce=300 aria-label="{name}"').set_value(score(value))
        self._value, self._setting, self._heard = value, False, moved
        self._slider.on_value_change(lambda: self._take(self._slider.value))
        self._number.on_value_change(lambda: self._typed(self._number.value))
        self._number.on("blur", lambda: self.set(self._value))

    @property
    def value(self) -> float:
        """The threshold as it was set, not rounded to what is shown."""
        return self._value

    def set(self, value: float) -> None:
        """Move both without telling anybody."""
        self._setting = True
        self._value = value
        self._slider.set_value(value)
        self._number.set_value(score(value))
        self._setting = False

    def _typed(self, text: str | None) -> object:
        """The slider follows; the text stays as it is typed until the field is left."""
        value = decimal(text)
        if self._setting or value is None:
            return None
        self._setting = True
        self._value = value
        self._slider.set_value(value)
        self._setting = False
        return self._heard()

    def _take(self, value: float | None) -> object:
        if self._setting or value is None:
            return None
        self.set(float(value))
        return self._heard()


def _rate(name: str, value: float | None, heard: Callable[..., object], hint: str = "") -> ui.input:
    field = number_field(name, value, needed=not hint).on_value_change(heard)
    said = f'hint="{hint}"' if hint else ""
    return field.props(f"{FIELD} debounce=300 {said}").classes("n-rate")
