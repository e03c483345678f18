"""What is seen of an application's requests: metrics, and the problems answered last."""

from __future__ import annotations

from dataclasses import dataclass, field

from app.ops.metrics import Metrics
from app.ops.recent import RecentProblems


@dataclass(frozen=True, eq=False)
class Observed:
    """Made with the application, before its service is opened."""

    metrics: Metrics = field(default_factory=Metrics)
    problems: RecentProblems = field(default_factory=RecentProblems)
