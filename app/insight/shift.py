"""A shift in one file: what was inspected, what went wrong and where, how people judged it, what decided.

The page needs no script and no other file: its pictures are inside, few and small, so that it can be kept and printed.
"""

from __future__ import annotations

import asyncio
import base64
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import numpy as np
from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape
from PIL import Image as Pillow

from app.errors import AppError
from app.imaging.pictures import encode_jpeg
from app.insight.pareto import GRID, Pareto, Pile, pareto
from app.insight.recall import Recall
from app.insight.trend import Trend, trend
from app.inspection import inspections
from app.inspection.inspecting import Inspecting
from app.inspection.viewing import small, viewed
from app.store import deciders as store
from app.store.inspections import Filter
from app.store.schema import Inspection, ThresholdChange
from core.errors import CoreError
from core.input.photograph import Image
from core.judging.exploration import Share, share

PILES, EXAMPLES = 10, 3  # that have pictures, and pictures of each
SIDE, REFERENCE = 132, 320  # pixels of a picture's side
SECONDS = 4.0  # after which no more pictures are made
HOURLY = timedelta(hours=48)  # a longer span is shown by day
CHANGES = 20  # of thresholds, the newest
LEAST = 48  # pixels of a photograph that a crop shows, each way


@dataclass(frozen=True)
class Bar:
    """What was decided in an hour or on a day."""

    label: str
    accept: int
    review: int
    reject: int

    @property
    def total(self) -> int:
        """Of all three."""
        return self.accept + self.review + self.reject


@dataclass(frozen=True)
class Shift:
    """Everything the page says. shares: what reviews say, each with its interval. pictures: by inspection, as URLs."""

    trend: Trend
    pareto: Pareto
    bars: Sequence[Bar]
    hourly: bool
    shares: Sequence[tuple[str, Share]]
    unlocated: int
    deciders: Sequence[store.Decider]
    changes: Sequence[ThresholdChange]
    reference: str | None
    pictures: dict[str, str]
    made: datetime


async def shift(
    inspecting: Inspecting,
    recall: Recall,
    bank: str,
    since: datetime | None = None,
    until: datetime | None = None,
    station: str | None = None,
) -> Shift:
    """Of a bank and a station; the last 24 hours unless said, at most 31 days. Raises NotFound, FieldInvalid."""
    background = inspecting.pools.background
    until = until or datetime.now(UTC)
    day = await background(lambda: trend(inspecting, bank, since, until, station))
    defects = await pareto(inspecting, recall, bank, day.since, day.until, station)
    row = await background(lambda: inspecting.store.banks.get(bank))
    which = Filter(bank=bank, station=station, since=max(day.since, row.created_at), until=day.until)
    database = inspecting.store.database
    deciders = await background(lambda: store.deciders(database, which))
    lost = await background(lambda: store.unlocated(database, which))
    changes = await background(lambda: inspecting.store.banks.threshold_changes(bank, limit=CHANGES))
    shown = Shown(inspecting, bank, time.monotonic() + SECONDS)
    hourly = day.until - day.since <= HOURLY
    return Shift(
        day,
        defects,
        _bars(day, hourly),
        hourly,
        _shares(day),
        lost,
        deciders,
        [change for change in changes if day.since <= change.created_at < day.until],
        await shown.reference(),
        await shown.examples(defects.piles[:PILES]),
        datetime.now(UTC),
    )


def page(found: Shift) -> str:
    """The HTML document; every text in it is escaped."""
    environment = Environment(
        loader=PackageLoader("app.insight"),
        autoescape=select_autoescape(),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"moment": _moment, "percent": _percent, "number": "{:,}".format}
    return environment.get_template("shift.html").render(
        found=found,
        day=found.trend,
        agreement=found.trend.agreement,
        piles=found.pareto.piles,
        grid=GRID,
        most=max((bar.total for bar in found.bars), default=0) or 1,
        examples=EXAMPLES,
        name_of=_name_of,
        cells=_cells,
    )


class Shown:
    """Pictures of one page, as URLs of their data, until its time is up; what cannot be shown is left out."""

    def __init__(self, inspecting: Inspecting, bank: str, end: float) -> None:
        self._inspecting, self._bank, self._end = inspecting, bank, end

    async def reference(self) -> str | None:
        """A nominal image of the bank."""
        store = self._inspecting.store
        images = (
            await self._inspecting.pools.background(lambda: store.images.page(self._bank, limit=1))
        ).items
        if not images:
            return None
        sha256 = images[0].sha256
        read = partial(store.blobs.read, sha256)
        return await self._made(lambda: small(self._inspecting, self._bank, sha256, read, REFERENCE, None))

    async def examples(self, piles: Sequence[Pile]) -> dict[str, str]:
        """Of the newest of each pile."""
        ids = [id for pile in piles for id in pile.examples[:EXAMPLES]]
        rows = await self._inspecting.pools.background(lambda: self._inspecting.store.inspections.some(ids))
        found = dict[str, str]()
        for row in rows.values():
            made = await self._made(partial(self._example, row)) if row.image_sha256 else None
            if made is not None:
                found[row.id] = made
        return found

    async def _example(self, row: Inspection) -> bytes:
        data = await self._inspecting.pools.background(lambda: inspections.read_image(self._inspecting, row))
        return await viewed(self._inspecting, self._bank, data, partial(crop, regions=row.regions))

    async def _made(self, make: Callable[[], Awaitable[bytes]]) -> str | None:
        if (left := self._end - time.monotonic()) <= 0:
            return None
        try:
            data = await asyncio.wait_for(make(), left)
        except (TimeoutError, AppError, CoreError):
            return None
        return "data:image/jpeg;base64," + base64.b64encode(data).decode("ascii")


def crop(image: Image, regions: Sequence[Any]) -> bytes:
    """Around the highest place of the largest region, at most half the image; all of one without; a small JPEG."""
    height, width = image.shape[:2]
    side, y, x = min(height, width), height / 2, width / 2
    if regions:
        worst = max(regions, key=lambda region: region["area"])
        y, x = worst["peak_y"], worst["peak_x"]
        side = min(side, max(LEAST, min(side // 2, 2 * max(worst["height"], worst["width"]))))
    top, left = (min(max(round(at - side / 2), 0), length - side) for at, length in ((y, height), (x, width)))
    square = Pillow.fromarray(image[top : top + side, left : left + side])
    return encode_jpeg(np.asarray(square.resize((SIDE, SIDE), Pillow.Resampling.BICUBIC)), quality=80)


def _bars(day: Trend, hourly: bool) -> list[Bar]:
    form = "%d %b %H:00" if hourly else "%a %d %b"
    found = dict[str, Bar]()
    for hour in day.hours:
        label = f"{hour.start:{form}}"
        before = found.get(label, Bar(label, 0, 0, 0))
        more = hour.decided
        found[label] = Bar(
            label,
            before.accept + more["accept"],
            before.review + more["review"],
            before.reject + more["reject"],
        )
    return [*found.values()]


def _shares(day: Trend) -> list[tuple[str, Share]]:
    judged = day.agreement
    flagged = judged.confirmed + judged.false_alarms
    passed = judged.agreed.total - flagged
    return [
        (
            "Defects confirmed, of rejected and held parts that were reviewed",
            share(judged.confirmed, flagged),
        ),
        ("False alarms, of the same", share(judged.false_alarms, flagged)),
        ("Defects missed, of accepted parts that were reviewed", share(judged.missed, passed)),
    ]


def _cells(pile: Pile) -> list[tuple[int, int, float]]:
    """(column, row, opacity) of each cell of the part's map that has any."""
    highest = max(1, max(map(max, pile.places)))
    return [
        (x, y, 0.2 + 0.7 * count / highest)
        for y, line in enumerate(pile.places)
        for x, count in enumerate(line)
        if count
    ]


def _name_of(pile: Pile) -> str:
    if pile.kind is not None:
        return pile.kind
    return f"Unnamed, group {pile.group}" if pile.group else "Unnamed, in no group"


def _moment(at: datetime) -> str:
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M}"


def _percent(share: float) -> str:
    return f"{share:.1%}"
