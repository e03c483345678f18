"""The fields of a bank's settings, where a bank is created and where they are changed for its next build."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from nicegui import ui

from app.console.pages.banks.augment import AugmentFields
from app.console.pages.banks.input import FIELD, InputFields
from app.console.pages.banks.words import BANKS as TEXT
from core.config import DetectorConfig


class SettingsFields:
    """Made where it is called, showing ``config``. between: makes what belongs before the advanced ones."""

    def __init__(self, config: DetectorConfig, between: Callable[[], None] = lambda: None) -> None:
        size = config.input.size if config.input.size in TEXT.sizes else DetectorConfig().input.size
        self._size: Any = ui.select(dict(TEXT.sizes), label=TEXT.size, value=size)
        self._size.props(f'{FIELD} hint="{TEXT.size_hint}"')
        self._metric: Any = ui.select(dict(TEXT.metrics), label=TEXT.metric, value=config.metric)
        self._metric.props(f'{FIELD} hint="{TEXT.metric_hint}"')
        between()
        with ui.expansion(TEXT.advanced).classes("n-advanced"):
            self._shape = InputFields(self._size, config)
            self._score: Any = ui.select(dict(TEXT.scores), label=TEXT.score, value=config.score)
            self._score.props(f'{FIELD} hint="{TEXT.score_hint}"')
            bits = config.input.significant_bits or 0
            self._bits: Any = ui.select({bits: f"{bits}"} | dict(TEXT.bits_of), label=TEXT.bits, value=bits)
            self._bits.props(f'{FIELD} hint="{TEXT.bits_hint}"')
            self._copies = AugmentFields(config.augment)

    def validate(self) -> bool:
        """Whether all can be taken; what cannot is said beside it."""
        return all([self._shape.validate(), self._copies.validate()])

    def config(self) -> dict[str, Any]:
        """To be laid over a bank's config."""
        return {
            "input": {**self._shape.config(), "significant_bits": self._bits.value or None},
            "coreset_ratio": self._shape.ratio(),
            "metric": self._metric.value,
            "score": self._score.value,
            "position": self._shape.place(),
            "registration": self._shape.registration(),
            "augment": self._copies.config(),
        }
