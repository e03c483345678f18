"""Pages that follow the line by themselves, times in the browser's zone, and the bank that a page is about."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime
from zoneinfo import ZoneInfo

import httpx
import pytest
from browser.server import Server
from playwright.sync_api import Page, expect

from bench.datasets import Split

Open = Callable[..., Page]
LOOK = 15_000  # milliseconds


def send(server: Server, bank: str, cells: Split, serial: str) -> dict[str, str]:
    """An inspection of the line."""
    image = cells.defective[80].read_bytes()
    answer = httpx.post(f"{server.url}/v1/banks/{bank}/inspect?serial={serial}", content=image, timeout=60)
    return dict(answer.raise_for_status().json())


def test_an_inspection_of_the_line_appears_with_its_picture(
    server: Server, taught: str, cells: Split, open_page: Open
) -> None:
    page = open_page(f"{server.url}/console/inspections")
    expect(page.get_by_role("switch", name="Follow the line")).to_be_checked()
    send(server, taught, cells, "live-1")
    row = page.get_by_role("row", name="live-1")
    expect(row).to_be_visible(timeout=LOOK)
    expect(row.locator(".n-thumb")).to_have_js_property("complete", True)
    page.get_by_role("switch", name="Follow the line").click()
    send(server, taught, cells, "live-2")
    page.wait_for_timeout(6000)
    expect(page.get_by_role("row", name="live-2")).to_have_count(0)


def test_the_last_parts_of_the_line_follow(
    server: Server, taught: str, cells: Split, open_page: Open
) -> None:
    page = open_page(f"{server.url}/console/live")
    sent = send(server, taught, cells, "live-0")
    part = page.locator(f'.n-last-part[href$="{sent["id"]}"]')
    expect(part).to_be_visible(timeout=LOOK)
    expect(part).to_contain_text("live-0")
    expect(part.locator(".n-thumb")).to_have_js_property("complete", True)


def test_a_banks_numbers_follow_and_its_open_menu_stays(
    server: Server, taught: str, cells: Split, open_page: Open
) -> None:
    page = open_page(f"{server.url}/console/")
    card = page.get_by_role("article").filter(has_text=taught)
    counts = card.locator(".n-counts")
    before = int(re.findall(r"(\d+) Reject", counts.inner_text())[0])
    card.get_by_role("button", name="More").click()
    send(server, taught, cells, "live-3")
    expect(counts).to_contain_text(f"{before + 1} Reject", timeout=LOOK)
    expect(page.get_by_text("Rename", exact=True)).to_be_visible()
    httpx.post(f"{server.url}/v1/banks", json={"id": "newcomer"}).raise_for_status()
    expect(page.get_by_role("article").filter(has_text="newcomer")).to_be_visible(timeout=LOOK)
    httpx.delete(f"{server.url}/v1/banks/newcomer").raise_for_status()
    expect(page.get_by_role("article").filter(has_text="newcomer")).to_have_count(0, timeout=LOOK)


@pytest.mark.parametrize("zone", ["Asia/Tokyo", "America/New_York"])
def test_times_and_days_are_those_of_the_browsers_zone(
    server: Server, taught: str, cells: Split, open_page: Open, zone: str
) -> None:
    sent = send(server, taught, cells, f"zone-{zone[:4]}")
    made = datetime.fromisoformat(sent["created_at"]).astimezone(ZoneInfo(zone))
    page = open_page(f"{server.url}/console/inspections/{sent['id']}", zone=zone)
    expect(page.locator("h1 + .n-caption")).to_contain_text(f"{made:%Y-%m-%d %H:%M} ")
    expect(page.locator("h1 + .n-caption")).not_to_contain_text("UTC")
    day = f"{made:%Y-%m-%d}"
    page.goto(f"{server.url}/console/inspections?since={day}&until={day}")
    expect(page.get_by_role("row", name=sent["serial"])).to_be_visible()


def test_an_inspection_opens_under_its_own_bank(
    server: Server, taught: str, cells: Split, open_page: Open
) -> None:
    httpx.post(f"{server.url}/v1/banks", json={"id": "other-product", "title": "Other product"})
    page = open_page(f"{server.url}/console/banks/other-product/teach")
    expect(page.get_by_role("button", name="Other product, switch bank")).to_be_visible()
    page.goto(f"{server.url}/console/inspections/{send(server, taught, cells, 'own')['id']}")
    expect(page.get_by_role("button", name="Solar cell, front, switch bank")).to_be_visible()
    httpx.delete(f"{server.url}/v1/banks/other-product").raise_for_status()
