"""The trend of a bank: a day of two stations by hour, in the browser's zone, on three screens, in light and dark."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import httpx
import numpy as np
import pytest
from axe_playwright_python.sync_playwright import Axe
from browser.server import Server
from playwright.sync_api import Page, expect
from sqlalchemy import update

from app.settings import Settings
from app.store.schema import Bank, Inspection
from app.store.store import open_store
from bench.datasets import Split

ZONE = "Asia/Kolkata"  # half an hour beside whole hours
REVIEWED = ("false_alarm", "confirmed_defect")


@pytest.fixture(scope="module")
def day(server: Server, cells: Split) -> Iterator[str]:
    """A bank with a day in the ledger: drifting scores, more rejects at the end, nothing from 6 to 4 hours ago."""
    httpx.post(f"{server.url}/v1/banks", json={"id": "line", "title": "Line 4, caps"}).raise_for_status()
    rng, now = np.random.default_rng(1), datetime.now(UTC)
    rows = []
    for minutes in range(1, 24 * 60, 2):
        if 240 <= minutes < 360:
            continue
        score = float(rng.gamma(8, 0.12) + 0.5 * (1 - minutes / 1440))
        decision = "reject" if score > 2.2 else "review" if score > 1.9 else "accept"
        reviewed = decision != "accept" and rng.uniform() < 0.7
        rows.append(
            Inspection(
                bank="line",
                version=1,
                width=8,
                height=8,
                score=score,
                review_threshold=1.9,
                reject_threshold=2.2,
                decision=decision,
                regions=[],
                timings={},
                digests={},
                station="left" if minutes % 3 else "right",
                verdict=REVIEWED[int(rng.uniform() < 0.8)] if reviewed else None,
                created_at=now - timedelta(minutes=minutes),
            )
        )
    with open_store(Settings(data_dir=Path(server.folder) / "data")) as store:
        store.inspections.add(rows)
        with store.database.write() as session:
            session.execute(update(Bank).where(Bank.id == "line").values(created_at=now - timedelta(days=40)))
    yield "line"
    httpx.delete(f"{server.url}/v1/banks/line").raise_for_status()


@pytest.mark.parametrize(("width", "height"), [(1280, 720), (1024, 768), (390, 844)])
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_a_day_is_seen_on_every_screen(
    server: Server,
    day: str,
    open_page: Callable[..., Page],
    shot: Callable[[Page, str], None],
    width: int,
    height: int,
    dark: bool,
) -> None:
    page = open_page(f"{server.url}/console/banks/{day}/trend", size=(width, height), dark=dark, zone=ZONE)
    expect(page.get_by_role("img", name="Bars of decisions")).to_be_visible()
    expect(page.get_by_role("img", name="Lines of the median")).to_be_visible()
    shot(page, f"trend-{width}-{'dark' if dark else 'light'}")
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    violations = Axe().run(page, options={"resultTypes": ["violations"]}).response["violations"]
    assert [each["id"] for each in violations] == []


def test_numbers_are_those_of_the_api_at_the_readers_hours(
    server: Server, day: str, open_page: Callable[..., Page]
) -> None:
    page = open_page(f"{server.url}/console/banks/{day}/trend", zone=ZONE)
    told = httpx.get(f"{server.url}/v1/banks/{day}/trend").json()
    hours = [hour for hour in told["hours"][1:-1] if sum(hour["decided"].values())]  # whole ones
    last = hours[-1]
    there = datetime.fromisoformat(last["start"]).astimezone(ZoneInfo(ZONE))
    row = page.get_by_role("row", name=f"{there:%Y-%m-%d %H:%M} ")
    cells = row.get_by_role("cell").all_inner_texts()
    assert cells[1:6] == [
        *(str(last["decided"][decision]) for decision in ("accept", "review", "reject")),
        f"{last['median']:.3f}",
        f"{last['high']:.3f}",
    ]
    assert cells[6] == (f"{last['agreed']} of {last['reviewed']}" if last["reviewed"] else "\N{EN DASH}")
    expect(page.locator("h1 + .n-caption")).not_to_contain_text("UTC")
    ticks = page.locator(".n-chart").first.locator(".n-hour").all_text_contents()
    assert len(ticks) > 2
    assert all(re.fullmatch(r"\d\d:30|\d{1,2} [A-Z][a-z]{2,3}", tick) for tick in ticks), ticks


def test_a_station_and_a_shift_are_chosen_and_the_page_follows_the_line(
    server: Server, day: str, open_page: Callable[..., Page]
) -> None:
    page = open_page(f"{server.url}/console/banks/{day}/trend?hours=8&station=right")
    told = httpx.get(f"{server.url}/v1/banks/{day}/trend?station=right").json()
    inspected = page.locator(".n-figure").first.locator(".n-figure-value")
    expect(page.get_by_role("combobox", name="Station")).to_have_value("right")
    assert 0 < int(inspected.inner_text()) < sum(told["decided"].values())
    before = int(inspected.inner_text())
    with open_store(Settings(data_dir=Path(server.folder) / "data")) as store:
        store.inspections.add(
            [
                Inspection(
                    bank="line",
                    version=1,
                    width=8,
                    height=8,
                    score=9.0,
                    review_threshold=1.9,
                    reject_threshold=2.2,
                    decision="reject",
                    regions=[],
                    timings={},
                    digests={},
                    station="right",
                )
            ]
        )
    expect(inspected).to_have_text(str(before + 1), timeout=30_000)
    page.get_by_role("combobox", name="Station").click()
    page.get_by_role("option", name="left").click()
    page.wait_for_url("**/trend?hours=8&station=left")
