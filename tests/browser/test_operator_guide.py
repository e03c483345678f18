"""A day as docs/operator.md tells it, from no bank to a rollback; its pictures are taken on the way."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from browser.server import Server
from playwright.sync_api import Locator, Page, expect

from bench.datasets import Split

BANK, TITLE = "solar-cell-rear", "Solar cell, rear"
GOOD, SLIPPED_IN, BY_HAND = 60, 10, 19  # nominal cells; the places of two among the defective ones
SENT_GOOD, SENT_BAD = 40, 10
WAIT = 180_000  # milliseconds for a build or a comparison


@dataclass(frozen=True)
class Day:
    """The console's page, its server and the cells; ``shot`` takes a picture of the guide."""

    page: Page
    server: Server
    cells: Split
    shot: Callable[[Page, str], None]

    def go(self, *parts: object) -> None:
        self.page.goto("/".join([f"{self.server.url}/console", *map(str, parts)]))

    def rail(self, name: str) -> None:
        self.page.get_by_role("link", name=name, exact=True).click()
        expect(self.page.get_by_role("heading", level=1, name=name)).to_be_visible()

    def button(self, name: str) -> Locator:
        return self.page.get_by_role("button", name=name, exact=True).last

    def picture(self, name: str) -> None:
        self.page.mouse.move(0, 0)
        expect(self.page.locator(".q-notification")).to_have_count(0, timeout=30_000)
        self.shot(self.page, f"guide-{name}")

    def defective(self, serial: str) -> bool:
        return serial in {serial_of(cell) for cell in self.cells.defective}


def serial_of(cell: Path) -> str:
    return f"SC-{cell.stem.removeprefix('cell')}"


@pytest.fixture
def day(
    server: Server, cells: Split, open_page: Callable[..., Page], shot: Callable[[Page, str], None]
) -> Iterator[Day]:
    yield Day(open_page(f"{server.url}/console/"), server, cells, shot)
    httpx.delete(
        f"{server.url}/v1/banks/{BANK}"
    ).raise_for_status()  # the next test finds its server as it was


def test_a_day_by_the_guide(day: Day, tmp_path: Path) -> None:
    create(day)
    teach(day, tmp_path)
    build(day, 1)
    take_out_what_slipped_in(day)
    build(day, 2)
    inspect(day)
    review(day)
    look_into_the_ledger(day)
    move_the_threshold(day)
    build(day, 3, activate=False)
    compare_and_activate(day)
    roll_back(day)
    day.rail("Banks")
    expect(day.page.get_by_role("article").filter(has_text=TITLE)).to_contain_text("Ready")
    day.picture("banks")
    day.rail("System")
    expect(day.page.get_by_text("Everything works")).to_be_visible()
    day.picture("system")


def create(day: Day) -> None:
    day.button("Create bank").click()
    day.page.get_by_label("Name").fill(TITLE)
    expect(day.page.get_by_label("Id", exact=True)).to_have_value(BANK)
    day.page.get_by_label("False-reject target").fill("5")
    day.picture("create")
    day.button("Create bank").click()
    expect(day.page.get_by_role("heading", level=1, name="Teach")).to_be_visible()


def teach(day: Day, folder: Path) -> None:
    note = folder / "note.txt"
    note.write_text("no image")
    chosen = [*day.cells.train[: 5 * GOOD : 5], day.cells.defective[SLIPPED_IN], note]
    day.page.get_by_test_id("files").set_input_files(chosen)
    expect(day.page.get_by_text(f"{GOOD + 1} accepted")).to_be_visible()
    expect(day.page.get_by_role("row", name="note.txt")).to_contain_text("must be PNG")
    expect(day.page.get_by_text(f"{GOOD + 1} images,")).to_be_visible()
    day.picture("teach")


def build(day: Day, number: int, activate: bool = True) -> None:
    """Ends on the page Teach, the version built; active if it is to be."""
    day.rail("Teach")
    if not activate:
        switch = day.page.get_by_role("checkbox", name="Make it the active version")
        switch.click()
        expect(switch).not_to_be_checked()
    each = day.page.get_by_role("checkbox", name="Every image shows a different part")
    each.click()
    expect(each).to_be_checked()
    day.button(f"Build version {number}").click()
    if number == 1:
        expect(day.page.locator(".n-stage-now")).to_be_visible(timeout=WAIT)
        day.picture("build")
    expect(day.page.get_by_text(f"Version {number} is built.")).to_be_visible(timeout=WAIT)


def take_out_what_slipped_in(day: Day) -> None:
    """The hardest nominal image is the defective one."""
    page, name = day.page, day.cells.defective[SLIPPED_IN].name
    day.button("See version 1").click()
    expect(page.get_by_role("img", name="nominal scores")).to_be_visible()
    day.picture("version")
    hardest = page.locator(".n-tile").first
    expect(hardest).to_contain_text(name)
    expect(hardest).to_contain_text("Above threshold")
    hardest.scroll_into_view_if_needed()
    page.mouse.wheel(0, 10_000)
    day.picture("hardest")
    hardest.get_by_role("button", name="Remove").click()
    page.get_by_role("dialog").get_by_role("button", name="Remove").click()
    expect(page.get_by_text(f"{name} is out of the nominal set.")).to_be_visible()


def inspect(day: Day) -> None:
    """One cell by hand, the others as a line sends them."""
    cells = sorted([*day.cells.test_good[:SENT_GOOD], *day.cells.defective[:SENT_BAD]])
    with httpx.Client(base_url=day.server.url, timeout=60) as line:
        for cell in cells:
            asked = {"serial": serial_of(cell), "station": "line 1"}
            kind = {"Content-Type": "image/png"}
            sent = line.post(
                f"/v1/banks/{BANK}/inspect", params=asked, content=cell.read_bytes(), headers=kind
            )
            sent.raise_for_status()
    by_hand = day.cells.defective[BY_HAND]
    day.rail("Inspect")
    day.page.get_by_label("Serial number").fill(serial_of(by_hand))
    day.page.get_by_label("Choose images").set_input_files(by_hand)
    expect(day.page.get_by_text("Unlike this good part, here")).to_be_visible()
    expect(day.page.locator(".n-badge-large")).to_have_text(re.compile("Reject"))
    overlay = day.button("Overlay")
    expect(overlay).to_have_attribute("aria-pressed", "true")
    expect(day.page.locator(".n-layer")).to_be_visible()
    day.picture("inspect")
    day.button("Map").click()
    expect(day.button("Map")).to_have_attribute("aria-pressed", "true")
    day.page.keyboard.press("2")
    expect(overlay).to_have_attribute("aria-pressed", "true")


def review(day: Day) -> None:
    """By keys alone: defects confirmed, the first false alarm taught, others noted; one undone and done again."""
    page = day.page
    day.rail("Review queue")
    day.go(f"review?bank={BANK}&decision=reject")
    shown = page.locator(".n-wait[aria-current=true]")
    expect(shown).to_be_visible()
    day.picture("review")
    taught = False
    while shown.count():
        (serial,) = re.findall(r"SC-\d+", shown.inner_text())
        bad = day.defective(serial)
        page.keyboard.press("d" if bad else "f" if taught else "t")
        said = "defect confirmed." if bad else "false alarm"
        expect(page.get_by_text(f"{serial}: {said}").first).to_be_visible()
        taught = taught or not bad
        expect(page.locator(".n-wait[aria-current=true]", has_text=serial)).to_have_count(0)
    assert taught, "no good cell was rejected, so none could be taught"
    expect(page.get_by_text("That was the last one")).to_be_visible()
    page.keyboard.press("u")
    expect(shown).to_be_visible()
    (again,) = re.findall(r"SC-\d+", shown.inner_text())
    page.keyboard.press("d" if day.defective(again) else "f")
    expect(page.get_by_text("That was the last one")).to_be_visible()
    nominal = httpx.get(f"{day.server.url}/v1/banks/{BANK}").json()["nominal_images"]
    assert nominal == GOOD + 1  # what slipped in is out, a false alarm is in


def look_into_the_ledger(day: Day) -> None:
    day.rail("Inspections")
    day.go(f"inspections?bank={BANK}")
    expect(day.page.get_by_role("row", name=serial_of(day.cells.defective[BY_HAND]))).to_contain_text(
        "Defect confirmed"
    )
    day.picture("inspections")


def move_the_threshold(day: Day) -> None:
    page = day.page
    day.go("banks", BANK, "thresholds")
    expect(page.get_by_role("heading", name="Would be decided otherwise")).to_be_visible()
    expect(
        page.get_by_text(f"Recorded inspections of this version: {SENT_GOOD + SENT_BAD + 1}").first
    ).to_be_attached()
    field = page.locator('input[aria-label="Reject above"]')
    field.fill(str(round(float(field.input_value()) * 1.08, 3)))
    expect(page.locator(".n-flip").first).to_be_visible()
    day.picture("thresholds")
    day.button("Save").click()
    page.get_by_label("Why (for the history)").fill("dust on the glass gave false alarms")
    page.get_by_role("dialog").get_by_role("button", name="Save").click()
    expect(page.get_by_role("cell", name="dust on the glass gave false alarms")).to_be_visible()


def compare_and_activate(day: Day) -> None:
    """Version 3 was built inactive; it is compared before it counts."""
    page = day.page
    assert httpx.get(f"{day.server.url}/v1/banks/{BANK}").json()["active_version"] == 2
    day.rail("Compare versions")
    day.button("Compare").click()
    expect(page.get_by_text("Decided alike")).to_be_visible(timeout=WAIT)
    day.picture("compare")
    day.button("Activate version 3").click()
    page.get_by_role("dialog").get_by_role("button", name="Activate version 3").click()
    expect(page.get_by_text("Version 3 (active)")).to_be_visible()


def roll_back(day: Day) -> None:
    page = day.page
    day.rail("Versions")
    expect(page.get_by_role("row", name="Version 3")).to_contain_text("Active")
    day.picture("versions")
    page.get_by_role("link", name="Version 2").click()
    day.button("Roll back to this version").click()
    page.get_by_role("dialog").get_by_role("button", name="Activate version 2").click()
    expect(page.get_by_text("Active", exact=True)).to_be_visible()
    assert httpx.get(f"{day.server.url}/v1/banks/{BANK}").json()["active_version"] == 2
