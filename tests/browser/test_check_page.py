"""A quality engineer tries a version on labelled cells: figures, misses first with their maps, versions, screens."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from browser.server import Server
from playwright.sync_api import Page, expect

from bench.datasets import Split
from nominal_client import Client

SLOW = 120_000  # milliseconds for a worker of a busy machine
SET = "line"
RULES = {"resultTypes": ["violations"], "rules": {"label-content-name-mismatch": {"enabled": True}}}
WIDE = "document.documentElement.scrollWidth <= window.innerWidth"


@pytest.fixture
def bank(server: Server, taught: str) -> Iterator[str]:
    """A bank with a version that has been tried on nothing."""
    yield taught
    with Client(server.url) as client:
        if SET in [each.name for each in client.list_check_sets(taught).items]:
            client.delete_check_set(taught, SET)


def named(paths: list[Path], folder: str) -> list[dict[str, object]]:
    """Files for the page, as they come out of a chosen folder."""
    return [
        {"name": f"{folder}-{path.name}", "mimeType": "image/png", "buffer": path.read_bytes()}
        for path in paths
    ]


def choose(page: Page, label: str, option: str) -> None:
    page.get_by_label(label).click()
    page.get_by_role("option", name=option, exact=True).click()


def test_labelled_images_are_given_tried_and_looked_at(
    server: Server, bank: str, cells: Split, open_page: Callable[..., Page], shot: Callable[[Page, str], None]
) -> None:
    page = open_page(f"{server.url}/console/banks/{bank}/check?set={SET}")
    expect(page.get_by_text("No labelled image yet")).to_be_visible()
    choose(page, "The files show", "Good parts")
    page.get_by_test_id("files").set_input_files(named(cells.test_good[20:26], "good"))  # type: ignore[arg-type]
    expect(page.get_by_text("6 images: 6 good")).to_be_visible(timeout=SLOW)
    choose(page, "The files show", "Defects")
    page.get_by_label("Kind of defect").fill("crack")
    page.get_by_test_id("files").set_input_files(named(cells.defective[20:28], "bad"))  # type: ignore[arg-type]
    expect(page.get_by_text("14 images: 6 good, 8 crack")).to_be_visible(timeout=SLOW)

    page.get_by_role("button", name="Try this version").click()
    expect(page.get_by_text("By kind of defect")).to_be_visible(timeout=SLOW)
    with Client(server.url) as client:
        found = client.get_check(bank, SET, 1)
    value = page.locator(".n-figure-value")
    expect(value.nth(0)).to_have_text(f"{found.found.count} of 8")
    expect(value.nth(2)).to_have_text(f"{found.alarms.count} of 6")
    expect(page.get_by_text("Few good images").first).to_be_visible()

    page.get_by_role("button", name="All", exact=True).click()
    first = page.locator(".n-tile").first
    expect(first).to_contain_text(found.items[0].image.name)
    first.get_by_role("button").focus()
    page.keyboard.press("Enter")  # by key as by pointer
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_text("1 of 14")).to_be_visible()
    page.wait_for_function("document.querySelector('[role=dialog] .n-layer').naturalWidth > 0", timeout=SLOW)
    dialog.get_by_role("button", name="Next").click()
    expect(dialog.get_by_text(found.items[1].image.name)).to_be_visible()
    shot(page, "check-dialog")
    dialog.get_by_role("button", name="Close").click()
    expect(dialog).not_to_be_visible()
    assert page.locator("table").last.locator("tbody tr").count() == 1  # versions beside each other

    axe = Axe()
    for width, height in ((1280, 720), (1024, 768), (390, 844)):
        page.set_viewport_size({"width": width, "height": height})
        page.evaluate("window.scrollTo(0, 0)")
        page.wait_for_timeout(300)
        shot(page, f"check-{width}")
        assert page.evaluate(WIDE), width
        violations = axe.run(page, options=RULES).response["violations"]
        assert [(each["id"], each["nodes"][0]["html"][:200]) for each in violations] == []

    page.get_by_role("button", name="Delete the set").click()
    page.get_by_role("dialog").get_by_role("button", name="Delete the set").click()
    expect(page.get_by_text("No labelled image yet")).to_be_visible()
    with Client(server.url) as client:
        assert client.list_check_sets(bank).items == []
