"""The backbones in memory, by the digest of their weights: the server's own, and those its banks were built with."""

from __future__ import annotations

import threading

from app.settings import Settings
from core.bank import BackboneRef
from models.backbone import Backbone, load_backbone


class Backbones:
    """Gives each bank its backbone. Safe to share between threads; a backbone once loaded stays."""

    def __init__(self, settings: Settings, default: Backbone | None = None) -> None:
        """``default`` in place of the one the settings name. Raises ModelError."""
        self._settings = settings
        self.default = default or open_backbone(settings)
        self._loaded = {self.default.digest: self.default}
        self._turn = threading.Lock()

    def of(self, ref: BackboneRef) -> Backbone:
        """The backbone a bank needs, never fetched. Raises ModelError where its weights are not at hand.

        Weights of another digest are what the machine has: ``Engine`` refuses them for this bank.
        """
        with self._turn:
            if ref.digest not in self._loaded:
                found = load_backbone(
                    ref.name,
                    None,
                    False,
                    self._settings.runtime,
                    self._settings.threads,
                    self.default.precision,
                )
                self._loaded[found.digest] = found
                return found
            return self._loaded[ref.digest]


def open_backbone(settings: Settings) -> Backbone:
    """The backbone the settings name. Raises ModelError."""
    return load_backbone(
        settings.backbone,
        settings.weights,
        settings.allow_fetch,
        settings.runtime,
        settings.threads,
        settings.precision,
    )
