"""The fields that say which copies of each photograph a bank learns: those of ``core.config.AugmentConfig``."""

from __future__ import annotations

from typing import Any

from nicegui import ui
from nicegui.elements.mixins.value_element import ValueElement

from app.console.pages.banks.words import BANKS as TEXT
from app.console.words import plain
from core.config import AugmentConfig
from core.declared import own_settings
from core.errors import ConfigError

_FIELD = "outlined dense hide-bottom-space"
_SHARES = ("shift", "scale", "light")  # shown in per cent


class AugmentFields:
    """Made where it is called, showing ``config``; below them, how often a photograph is learned, or what is wrong."""

    def __init__(self, config: AugmentConfig) -> None:
        settings = {one.name: one for one in own_settings(AugmentConfig)}
        ui.label(TEXT.copies)
        ui.label(TEXT.copies_hint).classes("n-caption")
        self._exact = {
            name: ui.checkbox(text, value=getattr(config, name)).props("dense")
            for name, text in (("flips", TEXT.flips), ("quarter_turns", TEXT.quarter_turns))
        }
        self._ranges = {
            name: ui.number(
                text, value=_shown(config, name), min=0, max=settings[name].bounds["le"] * _unit(name)
            ).props(_FIELD)
            for name, text in TEXT.ranges.items()
        }
        most = settings["copies"].bounds["le"]
        self._copies = ui.number(TEXT.random_copies, value=config.copies, min=1, max=most, precision=0).props(
            f"{_FIELD} clearable"
        )
        self._learned = ui.label().classes("n-caption").props('role="status"').mark("learned")
        fields: list[ValueElement[Any]] = [*self._exact.values(), *self._ranges.values(), self._copies]
        for field in fields:
            field.on_value_change(self._say)
        self._say()

    def config(self) -> dict[str, Any]:
        """What is asked for, as JSON; may be out of range."""
        ranges = {name: (field.value or 0) / _unit(name) for name, field in self._ranges.items()}
        copies = None if self._copies.value is None else int(self._copies.value)
        return {
            **{name: bool(field.value) for name, field in self._exact.items()},
            **ranges,
            "copies": copies,
        }

    def validate(self) -> bool:
        """Whether a bank may have it; said below the fields."""
        return self._say()

    def _say(self) -> bool:
        try:
            text, fits = TEXT.learned(AugmentConfig.from_json(self.config()).views), True
        except ConfigError as error:
            text, fits = str(error), False
        self._learned.set_text(text)
        self._learned.classes(add="" if fits else "n-ink-reject", remove="n-ink-reject" if fits else "")
        return fits


def _shown(config: AugmentConfig, name: str) -> float:
    return float(plain(getattr(config, name) * _unit(name)))


def _unit(name: str) -> float:
    return 100 if name in _SHARES else 1
