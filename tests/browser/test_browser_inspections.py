"""Inspecting by hand, reviewing by keys and the system page in Chromium, over real solar cells."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from browser.server import Server
from playwright.sync_api import Locator, Page, expect

from bench.datasets import Split

Open = Callable[..., Page]
Shot = Callable[[Page, str], None]

PASTE = """([name, type, data]) => {
  const transfer = new DataTransfer();
  if (data) {
    const bytes = Uint8Array.from(atob(data), (letter) => letter.charCodeAt(0));
    transfer.items.add(new File([bytes], name, { type }));
  }
  document.dispatchEvent(new ClipboardEvent("paste", { clipboardData: transfer, bubbles: true }));
}"""


@pytest.fixture
def defect(cells: Split) -> Path:
    """A cell that no other test inspects."""
    return cells.defective[40]


@pytest.fixture(scope="module")
def keyed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server of its own, without a key at first."""
    server = Server(tmp_path_factory.mktemp("keyed")).start()
    yield server
    server.stop()


def asked(server: Server, path: str) -> dict[str, Any]:
    answer: dict[str, Any] = httpx.get(server.url + path).raise_for_status().json()
    return answer


def drawn(image: Locator) -> None:
    """It is shown, and its bytes came."""
    expect(image).to_be_visible()
    expect(image).to_have_js_property("complete", True)
    expect(image).not_to_have_js_property("naturalWidth", 0)  # complete is said of one without a source too


def choose(page: Page, *files: Path) -> None:
    page.locator(".n-file").set_input_files(list(files))


# Inspect


def test_a_defective_cell_is_inspected_and_its_overlay_seen(
    server: Server, taught: str, open_page: Open, shot: Shot, defect: Path
) -> None:
    page = open_page(f"{server.url}/console/banks/{taught}/inspect")
    expect(page.get_by_text("Nothing inspected here yet")).to_be_visible()
    shot(page, "inspect-empty")
    page.get_by_label("Serial number").fill("SN-0042")
    choose(page, defect)
    expect(page.locator(".n-badge-large")).to_have_text("cancelReject")
    for kind in (".n-photo", ".n-layer", ".n-crop-image >> nth=0", ".n-crop-image >> nth=1"):
        drawn(page.locator(kind))
    expect(page.locator(".n-frame .n-region").first).to_be_visible()
    shot(page, "inspect")
    row = asked(server, "/v1/inspections?serial=SN-0042")["items"][0]
    assert (row["name"], row["decision"]) == (defect.name, "reject")
    expect(page.locator(".n-score-value")).to_have_text(f"{row['score']:.3f}")
    page.reload()
    expect(page.locator(".n-score-value")).to_have_text(f"{row['score']:.3f}")


def test_original_overlay_and_map_are_switched_faded_and_their_regions_pointed_at(
    server: Server, taught: str, open_page: Open, defect: Path
) -> None:
    page = open_page(f"{server.url}/console/banks/{taught}/inspect")
    choose(page, defect)
    layer = page.locator(".n-layer")
    drawn(layer)
    page.get_by_label("Opacity").fill("30")
    expect(layer).to_have_css("opacity", "0.3")
    page.get_by_role("button", name="Original").click()
    expect(layer).to_be_hidden()
    page.keyboard.press("3")
    drawn(page.locator(".n-map"))
    expect(page.get_by_role("button", name="Map")).to_have_attribute("aria-pressed", "true")
    page.locator(".n-region-item").first.hover()
    expect(page.locator(".n-frame .n-region").first).to_contain_class("n-marked")
    page.get_by_label("Regions").uncheck()
    page.get_by_label("Serial number").hover()
    expect(page.locator(".n-frame .n-region").first).to_be_hidden()


def test_several_files_are_a_strip_and_the_wrong_ones_are_told_plainly(
    server: Server, taught: str, cells: Split, open_page: Open, shot: Shot, tmp_path: Path
) -> None:
    wrong, empty = tmp_path / "notes.txt", tmp_path / "empty.png"
    wrong.write_text("no image")
    empty.touch()
    page = open_page(f"{server.url}/console/banks/{taught}/inspect", dark=True)
    choose(page, *cells.test_good[20:22], wrong, empty, cells.defective[41])
    expect(page.get_by_text("3 images inspected")).to_be_visible()
    alert = page.get_by_role("alert").filter(has_text="2 files were not inspected")
    expect(alert.get_by_text("Save the image in one of these formats")).to_be_visible()
    expect(alert.get_by_text("received an empty file")).to_be_visible()
    page.get_by_role("button", name="cell", exact=False).filter(has_text=cells.defective[41].name).click()
    drawn(page.locator(".n-layer"))
    shot(page, "inspect-several-dark")
    alert.get_by_role("button", name="Dismiss").first.click()
    expect(page.get_by_text("1 file was not inspected")).to_be_visible()


def test_an_image_is_pasted_and_a_clipboard_without_one_is_told(
    server: Server, taught: str, open_page: Open, defect: Path
) -> None:
    page = open_page(f"{server.url}/console/banks/{taught}/inspect")
    expect(page.get_by_text("Nothing inspected here yet")).to_be_visible()
    page.evaluate(PASTE, ["", "", ""])
    expect(page.get_by_text("The clipboard holds no image")).to_be_visible()
    data = base64.b64encode(defect.read_bytes()).decode()
    page.evaluate(PASTE, ["pasted.png", "image/png", data])
    expect(page.get_by_text("1 image inspected")).to_be_visible()


def test_an_image_whose_answer_is_lost_is_told_tried_again_and_remembered_over_a_reload(
    server: Server, taught: str, open_page: Open, defect: Path
) -> None:
    page = open_page(f"{server.url}/console/banks/{taught}/inspect")
    page.route("**/v1/banks/*/inspect", lambda route: route.abort())
    choose(page, defect)
    expect(page.get_by_text("The connection was lost before the answer came")).to_be_visible()
    page.unroute("**/v1/banks/*/inspect")
    page.get_by_role("button", name="Try again").click()
    expect(page.get_by_text("1 image inspected")).to_be_visible()
    page.route("**/v1/banks/*/inspect", lambda route: route.abort())
    choose(page, defect)
    expect(page.get_by_text("The connection was lost before the answer came")).to_be_visible()
    page.reload()
    expect(page.get_by_text("The page was reloaded before its answer came")).to_be_visible()
    expect(page.get_by_text("1 image inspected")).to_be_visible()


# Review


def queue_of(page: Page, server: Server, serial: str) -> Page:
    page.goto(f"{server.url}/console/review?serial={serial}")
    expect(page.get_by_role("button", name="Confirm defect")).to_be_visible()
    return page


def test_a_false_alarm_is_taught_by_one_key_and_taken_back_by_another(
    server: Server, taught: str, open_page: Open, shot: Shot, cells: Split
) -> None:
    cell = cells.defective[50]
    with httpx.Client(base_url=server.url) as client:
        sent = client.post(f"/v1/banks/{taught}/inspect?serial=alarm", content=cell.read_bytes())
        id = sent.raise_for_status().json()["id"]
    before = asked(server, f"/v1/banks/{taught}")["nominal_images"]
    page = queue_of(open_page(f"{server.url}/console/"), server, "alarm")
    drawn(page.locator(".n-layer"))
    shot(page, "review")
    page.keyboard.press("t")
    expect(page.get_by_text("its image has joined the nominal set")).to_be_visible()
    expect(page.get_by_text("That was the last one")).to_be_visible()
    assert asked(server, f"/v1/inspections/{id}")["verdict"] == "false_alarm"
    assert asked(server, f"/v1/banks/{taught}")["nominal_images"] == before + 1
    shot(page, "review-done")
    page.keyboard.press("u")
    expect(page.get_by_text("review undone")).to_be_visible()
    expect(page.get_by_role("button", name="Confirm defect")).to_be_visible()
    assert asked(server, f"/v1/inspections/{id}")["verdict"] is None
    assert asked(server, f"/v1/banks/{taught}")["nominal_images"] == before


def test_keys_confirm_skip_and_go_back_in_the_order_of_the_queue(
    server: Server, taught: str, open_page: Open, cells: Split
) -> None:
    with httpx.Client(base_url=server.url) as client:
        ids = [
            client.post(f"/v1/banks/{taught}/inspect?serial=keys", content=cell.read_bytes()).json()["id"]
            for cell in cells.defective[60:63]
        ]
    page = queue_of(open_page(f"{server.url}/console/"), server, "keys")
    shown = page.locator(".n-id")
    order = [row["id"] for row in asked(server, "/v1/reviews/queue?serial=keys")["items"]]
    assert sorted(order) == sorted(ids)
    expect(shown).to_have_text(order[0])
    page.keyboard.press("s")
    expect(shown).to_have_text(order[1])
    page.keyboard.press("d")
    expect(shown).to_have_text(order[2])
    page.keyboard.press("b")
    expect(shown).to_have_text(order[0])
    page.get_by_label("Serial number").click()
    page.keyboard.press("d")  # typed, not meant
    expect(shown).to_have_text(order[0])
    assert asked(server, f"/v1/inspections/{order[0]}")["verdict"] is None
    verdict = asked(server, f"/v1/inspections/{order[1]}")["verdict"]
    assert verdict in ("confirmed_defect", "missed_defect")


def test_a_review_that_came_first_is_told_and_not_overwritten(
    server: Server, taught: str, open_page: Open, cells: Split
) -> None:
    with httpx.Client(base_url=server.url) as client:
        sent = client.post(
            f"/v1/banks/{taught}/inspect?serial=two", content=cells.defective[63].read_bytes()
        ).json()
        page = queue_of(open_page(f"{server.url}/console/"), server, "two")
        client.post(f"/v1/inspections/{sent['id']}/reviews", json={"verdict": "false_alarm"})
    page.keyboard.press("d")
    expect(page.get_by_text("Read the reviews again")).to_be_visible()
    assert asked(server, f"/v1/inspections/{sent['id']}")["verdict"] == "false_alarm"


# The ledger


def test_an_inspection_has_a_page_of_its_own_where_it_is_reviewed_with_a_note(
    server: Server, taught: str, open_page: Open, shot: Shot
) -> None:
    page = open_page(f"{server.url}/console/inspections?bank={taught}&decision=reject")
    shot(page, "inspections")
    page.locator(".n-ledger-part").last.click()
    drawn(page.locator(".n-layer"))
    page.get_by_label("Note").fill("a crack across two fingers")
    page.get_by_role("button", name="Confirm defect").click()
    expect(page.locator(".n-opinion").get_by_text("a crack across two fingers")).to_be_visible()
    page.get_by_label("Method").click()
    page.get_by_role("option", name="LayerCAM").click()
    page.get_by_role("button", name="Explain").click()
    expect(page.locator(".n-explained-picture")).to_be_visible(timeout=60_000)  # the network is loaded first
    drawn(page.locator(".n-explained-picture"))
    expect(page.get_by_text("A view of the network, not a decision")).to_be_visible()
    shot(page, "inspection")
    page.get_by_role("button", name="Undo").click()
    expect(page.locator(".n-opinion").first).to_contain_text("Withdrawn")


def test_filters_lead_to_an_address_and_exports_follow_them(
    server: Server, taught: str, open_page: Open
) -> None:
    page = open_page(f"{server.url}/console/inspections")
    page.get_by_label("Decision").click()
    page.get_by_role("option", name="Accept").click()
    page.wait_for_url("**/inspections?decision=accept")
    with page.expect_download() as export:
        page.get_by_role("link", name="CSV").click()
    lines = Path(export.value.path()).read_text().splitlines()
    assert {line.split(",")[7] for line in lines[1:]} == {"accept"}
    page.get_by_label("Serial number").fill("nobody's")
    page.keyboard.press("Enter")
    expect(page.get_by_text("No inspection matches")).to_be_visible()


# System


def test_the_first_key_is_made_shown_once_and_signed_in_with_and_a_reader_sees_none(
    keyed: Server, open_page: Open, shot: Shot
) -> None:
    page = open_page(f"{keyed.url}/console/system")
    expect(page.get_by_text("Everything works")).to_be_visible()
    page.get_by_role("button", name="Create key").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Name").fill("Quality office")
    dialog.get_by_role("button", name="Create key").click()
    expect(page.get_by_text("It cannot be shown again")).to_be_visible()
    key = page.locator(".n-key-value").input_value()
    head = {"Authorization": f"Bearer {key}"}
    assert httpx.get(f"{keyed.url}/v1/keys", headers=head).json()["items"][0]["role"] == "admin"
    page.get_by_role("button", name="I have copied it").click()
    expect(page.get_by_text("Quality office (you)")).to_be_visible()
    shot(page, "system")
    reader = open_page(f"{keyed.url}/console/system")
    reader.get_by_label("API key").fill(keyed.key("read"))
    reader.get_by_role("button", name="Sign in").click()
    reader.goto(f"{keyed.url}/console/system")
    expect(reader.get_by_text("Only administrators see and create keys.")).to_be_visible()
    expect(reader.get_by_text("Quality office")).to_have_count(0)
