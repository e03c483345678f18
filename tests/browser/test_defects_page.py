"""Similar past inspections beside a review, one answer for several, and the page of defects, in Chromium."""

from __future__ import annotations

from collections.abc import Callable

import httpx
from browser.server import Server
from playwright.sync_api import Page, expect

from bench.datasets import Split

Open = Callable[..., Page]
Shot = Callable[[Page, str], None]


def test_one_answer_with_its_kind_counts_for_the_chosen_and_is_counted_on_the_page_of_defects(
    server: Server, taught: str, open_page: Open, shot: Shot, cells: Split
) -> None:
    with httpx.Client(base_url=server.url) as client:
        ids = [
            client.post(
                f"/v1/banks/{taught}/inspect?serial=alike-{i}&reject_threshold=0.01&review_threshold=0.01",
                content=cells.defective[70 + i].read_bytes(),
            ).json()["id"]
            for i in range(3)
        ]
    page = open_page(f"{server.url}/console/inspections/{ids[0]}")
    chosen = page.get_by_role("checkbox", name="Choose alike-1")
    expect(chosen).to_be_visible()
    shot(page, "similar")
    chosen.click()
    page.keyboard.press("k")
    expect(page.get_by_label("Kind of defect")).to_be_focused()
    page.keyboard.type("microcrack")
    page.get_by_role("heading", name="Reviews").click()
    page.keyboard.press("d")
    expect(page.get_by_text("1 similar inspection reviewed.")).to_be_visible()
    with httpx.Client(base_url=server.url) as client:
        found = [client.get(f"/v1/inspections/{id}").json() for id in ids]
    assert [(row["verdict"], row["kind"]) for row in found] == [
        ("confirmed_defect", "microcrack"),
        ("confirmed_defect", "microcrack"),
        (None, None),
    ]
    page.goto(f"{server.url}/console/banks/{taught}/defects")
    expect(page.get_by_text("microcrack")).to_be_visible()
    expect(page.locator(".n-pile").first.locator("img").first).to_be_visible()
    shot(page, "defects")
    page.get_by_role("button", name="Rename microcrack").click()
    page.get_by_label("New name").fill("crack")
    page.get_by_role("dialog").get_by_role("button", name="Rename").click()
    expect(page.locator(".n-kind", has_text="crack")).to_be_visible()
    with httpx.Client(base_url=server.url) as client:
        assert client.get(f"/v1/inspections/{ids[1]}").json()["kind"] == "crack"
