"""One run of a comparison on a page: begun, followed, cancelled; it ends with the page."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

from app.console.view import View
from app.insight import comparing
from app.insight.comparing import Pair


@dataclass(eq=False)
class Run:
    """``pairs`` are those compared so far. ``told`` is called after each, and at the end."""

    view: View
    bank: str
    versions: tuple[int, int]
    told: Callable[[], None]
    pairs: list[Pair] = field(default_factory=list)
    total: int | None = None
    ended: bool = False
    cancelled: bool = False
    _task: asyncio.Task[None] | None = None

    async def follow(self, limit: int) -> None:
        """Returns once all are compared or the run was cancelled. Raises what ``comparing.prepare`` raises."""
        self._task = asyncio.create_task(self._run(limit))
        self.view.client.on_delete(self.cancel)
        try:
            await self._task
        except asyncio.CancelledError:
            if not self.cancelled:
                raise
        finally:
            self.ended = True
        self.told()

    def cancel(self) -> None:
        """End it after the image at hand."""
        if self._task is not None and not self._task.done():
            self.cancelled = True
            self._task.cancel()

    async def _run(self, limit: int) -> None:
        a, b = self.versions
        comparison = await comparing.prepare(self.view.service.inspecting, self.bank, a, b, limit)
        self.total = len(comparison.rows)
        self.told()
        async for pair in comparison.pairs():
            self.pairs.append(pair)
            self.told()

    @property
    def flips(self) -> list[Pair]:
        """What the versions decide differently."""
        return [pair for pair in self.pairs if pair.flipped]
