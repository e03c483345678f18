"""Seconds of each stage of a build, taken from the progress that the builder reports."""

from __future__ import annotations

import time


class Stages:
    """Give ``advance`` to a build as its progress; a stage lasts from the last report before it to its own last."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._latest = time.perf_counter()

    def advance(self, stage: str, done: int, total: int) -> None:
        """Called by the builder."""
        now = time.perf_counter()
        self.seconds[stage] = self.seconds.get(stage, 0.0) + now - self._latest
        self._latest = now
