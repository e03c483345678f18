"""A person creates a bank, teaches it, looks at its version, rebuilds, rolls back, deletes."""

from __future__ import annotations

import zipfile
from collections.abc import Callable
from pathlib import Path

import httpx
from browser.server import Server
from playwright.sync_api import Page, expect

from bench.datasets import Split

BUILT = 180_000  # milliseconds


def test_a_bank_from_nothing_to_a_rollback(
    server: Server,
    cells: Split,
    open_page: Callable[..., Page],
    shot: Callable[[Page, str], None],
    tmp_path: Path,
) -> None:
    page = open_page(f"{server.url}/console/")
    create_bank(page, shot)
    teach(page, cells, shot, tmp_path)
    take_out_a_suspect(page, shot)
    build(page, 1, shot)
    page.get_by_role("button", name="See version 1").click()
    expect(page.get_by_role("heading", name="Version 1")).to_be_visible()
    expect(page.get_by_role("img", name="nominal scores")).to_be_visible()
    shot(page, "version")
    take_out_the_hardest(page)
    page.locator("a[href$='/teach']").click()
    expect(page.get_by_text("118 images,")).to_be_visible()
    build(page, 2)
    page.locator("a[href$='/versions']").click()
    expect(page.get_by_role("row", name="Version 2")).to_contain_text("Active")
    shot(page, "versions")
    page.get_by_role("link", name="Version 1").click()
    page.get_by_role("button", name="Roll back to this version").click()
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_text("Version 2: good parts rejected")).to_be_visible()
    dialog.get_by_role("button", name="Activate version 1").click()
    expect(page.get_by_text("Active", exact=True)).to_be_visible()
    rename_and_delete(page, server)


def test_a_bank_takes_any_input_that_the_api_takes(
    server: Server, open_page: Callable[..., Page], shot: Callable[[Page, str], None]
) -> None:
    page = open_page(f"{server.url}/console/")
    page.get_by_role("button", name="Create bank").first.click()
    page.get_by_label("Name").fill("Wide belt")
    page.get_by_text("Advanced").click()
    page.get_by_label("Other size, pixels").fill("450")
    page.get_by_label("Centre crop, pixels").fill("960")
    page.get_by_role("button", name="Create bank").last.click()
    expect(page.get_by_text("A multiple of 32, from 32 to 2,048.")).to_be_visible()
    expect(page.get_by_text("A multiple of 32, from 32 to 450.")).to_be_visible()
    page.get_by_label("Other size, pixels").fill("448")
    page.get_by_label("Centre crop, pixels").fill("416")
    page.get_by_label("Fit", exact=True).click()
    page.get_by_role("option", name="Short side: keeps").click()
    page.get_by_label("Patches kept, %").fill("2,5")
    shot(page, "create-bank-input")
    page.get_by_role("button", name="Create bank").last.click()
    page.wait_for_url("**/banks/wide-belt/teach")
    config = httpx.get(f"{server.url}/v1/banks/wide-belt").json()["config"]
    assert {name: config["input"][name] for name in ("size", "fit", "crop")} == {
        "size": 448,
        "fit": "short_side",
        "crop": 416,
    }
    assert config["coreset_ratio"] == 0.025
    httpx.delete(f"{server.url}/v1/banks/wide-belt").raise_for_status()


def create_bank(page: Page, shot: Callable[[Page, str], None]) -> None:
    page.get_by_role("button", name="Create bank").first.click()
    page.get_by_label("Name").fill("Solar cell, back")
    expect(page.get_by_label("Id", exact=True)).to_have_value("solar-cell-back")
    page.get_by_label("Id", exact=True).fill("Not an id")
    page.get_by_role("button", name="Create bank").last.click()
    expect(page.get_by_text("starting with a letter or digit")).to_be_visible()
    page.get_by_label("Id", exact=True).fill("solar-cell-back")
    page.get_by_label("False-reject target").fill("5")
    expect(page.get_by_text("at least 19 good images")).to_be_visible()
    page.get_by_text("Advanced").click()
    for name in ("Mirrored left to right", "Turned by 90, 180 and 270 degrees"):
        page.get_by_role("checkbox", name=name).click()
    expect(page.get_by_text("A photograph is learned 8 times.")).to_be_visible()
    page.get_by_label("Random copies of each photograph").fill("3")
    expect(page.get_by_text("copies 3 without rotation, shift, scale or light")).to_be_visible()
    page.get_by_label("Turned at random").fill("15")
    expect(page.get_by_text("A photograph is learned 11 times.")).to_be_visible()
    page.get_by_label("Turned at random").fill("0")
    page.get_by_label("Random copies of each photograph").fill("")
    for name in ("Mirrored left to right", "Turned by 90, 180 and 270 degrees"):
        page.get_by_role("checkbox", name=name).click()
    expect(page.get_by_text("A photograph is learned once.")).to_be_visible()
    page.get_by_label("Bits of grey samples").click()
    page.get_by_role("option", name="12", exact=True).click()
    shot(page, "create-bank")
    page.get_by_role("button", name="Create bank").last.click()
    expect(page.get_by_role("heading", name="Teach")).to_be_visible()
    made = httpx.get(f"{page.url.partition('/console')[0]}/v1/banks/solar-cell-back").json()
    assert made["config"]["input"]["significant_bits"] == 12


def teach(page: Page, cells: Split, shot: Callable[[Page, str], None], folder: Path) -> None:
    note = folder / "note.txt"
    note.write_text("no image")
    expect(page.get_by_text("No image yet")).to_be_visible()
    page.get_by_test_id("files").set_input_files([*cells.train[50:170], note])
    expect(page.get_by_text("120 accepted")).to_be_visible(timeout=60_000)
    expect(page.get_by_text("1 rejected")).to_be_visible()
    expect(page.get_by_role("row", name="note.txt")).to_contain_text("must be PNG")
    expect(page.get_by_text("120 images,")).to_be_visible()
    page.get_by_test_id("files").set_input_files(cells.train[50:52])
    expect(page.get_by_text("2 already there")).to_be_visible()
    shot(page, "teach")


def build(page: Page, number: int, shot: Callable[[Page, str], None] | None = None) -> None:
    each = page.get_by_role("checkbox", name="Every image shows a different part")  # cells that look alike
    each.click()
    expect(each).to_be_checked()
    page.get_by_role("button", name=f"Build version {number}").click()
    expect(page.get_by_role("button", name="Cancel build")).to_be_visible(timeout=15_000)
    if shot is not None:
        expect(page.locator(".n-stage-now")).to_be_visible(timeout=BUILT)
        shot(page, "build")
        page.reload()  # a page that comes back shows the build that runs
    expect(page.get_by_text(f"Version {number} is built.")).to_be_visible(timeout=BUILT)


def take_out_a_suspect(page: Page, shot: Callable[[Page, str], None]) -> None:
    page.get_by_role("button", name="Check the photographs").click()
    expect(page.get_by_text("120 photographs of")).to_be_visible(timeout=BUILT)
    expect(page.get_by_role("heading", name="Suspects")).to_be_visible()
    suspects = page.locator(".n-found").first.locator(".n-tile")
    expect(suspects).to_have_count(5)
    picture = suspects.first.get_by_role("img")
    picture.scroll_into_view_if_needed()
    expect(picture).to_have_js_property("naturalWidth", 300)
    shot(page, "check")
    suspects.first.get_by_role("checkbox").click()
    page.get_by_role("button", name="Remove 1 unticked image").click()
    page.get_by_role("dialog").get_by_role("button", name="Remove").click()
    expect(suspects).to_have_count(4)
    expect(page.get_by_text("119 images,")).to_be_visible()
    expect(page.get_by_text("check it again")).to_be_visible()


def take_out_the_hardest(page: Page) -> None:
    tiles = page.locator(".n-tile")
    count = tiles.count()
    tiles.first.get_by_role("button", name="Remove").click()
    page.get_by_role("dialog").get_by_role("button", name="Remove").click()
    expect(tiles).to_have_count(count - 1)


def rename_and_delete(page: Page, server: Server) -> None:
    page.goto(f"{server.url}/console/")
    card = page.get_by_role("article").filter(has_text="solar-cell-back")
    card.get_by_role("button", name="More").click()
    page.get_by_text("Rename", exact=True).click()
    page.get_by_role("dialog").get_by_label("Name").fill("Cell, back side")
    page.get_by_role("dialog").get_by_role("button", name="Save").click()
    expect(card).to_contain_text("Cell, back side")
    card.get_by_role("button", name="More").click()
    page.get_by_text("Delete", exact=True).click()
    page.get_by_role("dialog").get_by_role("button", name="Delete").click()
    expect(card).to_have_count(0)


def test_an_upload_goes_on_by_itself_after_a_lost_connection_and_takes_a_zip(
    server: Server, cells: Split, open_page: Callable[..., Page], tmp_path: Path
) -> None:
    bank = "lost-and-found"
    httpx.post(f"{server.url}/v1/banks", json={"id": bank, "title": "Lost and found"}).raise_for_status()
    page = open_page(f"{server.url}/console/banks/{bank}/teach")
    page.route("**/images", lambda route: route.abort("connectionreset"))
    page.get_by_test_id("files").set_input_files(cells.train[:3])
    expect(page.get_by_text("Sending continues by itself")).to_be_visible()
    page.unroute("**/images")
    expect(page.get_by_text("3 accepted")).to_be_visible()
    packed = tmp_path / "cells.zip"
    with zipfile.ZipFile(packed, "w") as archive:
        for path in cells.train[2:5]:
            archive.write(path, path.name)
    page.get_by_test_id("files").set_input_files(packed)
    expect(page.get_by_text("2 accepted")).to_be_visible()
    expect(page.get_by_text("1 already there")).to_be_visible()
    expect(page.get_by_text("5 images,")).to_be_visible()
    httpx.delete(f"{server.url}/v1/banks/{bank}").raise_for_status()
