"""The viewer: zoom and pan by wheel, keys and fingers, values under the pointer, side by side, whole screen."""

from __future__ import annotations

import io
from collections.abc import Callable

import httpx
import numpy as np
import pytest
from browser.server import Server
from PIL import Image
from playwright.sync_api import Page, expect

Open = Callable[..., Page]
ZOOM = "Number(getComputedStyle(document.querySelector('.n-viewer')).getPropertyValue('--zoom') || 1)"
PINCH = """async (box) => {
  const frame = document.querySelector(".n-frame");
  const at = (type, id, x) => frame.dispatchEvent(new PointerEvent(type, {
    pointerId: id, pointerType: "touch", bubbles: true,
    clientX: box.x + x * box.width, clientY: box.y + box.height / 2 }));
  frame.setPointerCapture = () => {};
  at("pointerdown", 11, 0.45); at("pointerdown", 12, 0.55);
  at("pointermove", 11, 0.3); at("pointermove", 12, 0.7);
  at("pointerup", 11, 0.3); at("pointerup", 12, 0.7);
}"""


@pytest.fixture
def rejected(server: Server, taught: str) -> str:
    found = httpx.get(f"{server.url}/v1/inspections?bank={taught}&decision=reject").json()["items"]
    return str(found[-1]["id"])


@pytest.fixture
def opened(server: Server, rejected: str, open_page: Open) -> Page:
    page = open_page(f"{server.url}/console/inspections/{rejected}")
    expect(page.locator(".n-layer")).to_have_js_property("complete", True)
    return page


def box(page: Page) -> dict[str, float]:
    found = page.locator(".n-frame").first.bounding_box()
    assert found is not None
    return dict(found)


def test_the_wheel_zooms_about_the_pointer_and_a_drag_moves(opened: Page) -> None:
    at = box(opened)
    opened.mouse.move(at["x"] + 0.2517 * at["width"], at["y"] + 0.253 * at["height"])
    expect(opened.locator(".n-readout")).to_contain_text("px")
    before = opened.locator(".n-readout").inner_text()
    for _ in range(6):
        opened.mouse.wheel(0, -200)
    assert opened.evaluate(ZOOM) > 4
    opened.mouse.move(at["x"] + 0.2517 * at["width"] + 0.4, at["y"] + 0.253 * at["height"])
    expect(opened.locator(".n-readout")).to_have_text(before)  # the same place is under the pointer
    canvas = opened.locator(".n-canvas").first
    left = canvas.evaluate("each => each.getBoundingClientRect().x")
    opened.mouse.down()
    opened.mouse.move(at["x"] + 0.5 * at["width"], at["y"] + 0.2517 * at["height"], steps=4)
    opened.mouse.up()
    assert canvas.evaluate("each => each.getBoundingClientRect().x") - left == pytest.approx(
        0.2483 * at["width"], abs=3
    )
    for _ in range(9):
        opened.mouse.wheel(0, 300)
    assert opened.evaluate(ZOOM) == 1


def test_keys_zoom_move_and_switch(opened: Page) -> None:
    opened.keyboard.press("+")
    opened.keyboard.press("+")
    assert opened.evaluate(ZOOM) == pytest.approx(1.96)
    expect(opened.locator(".n-zoom-level")).to_contain_text("196")
    opened.locator(".n-frame").first.focus()
    left = opened.locator(".n-canvas").first.evaluate("each => each.getBoundingClientRect().x")
    opened.keyboard.press("ArrowRight")
    assert opened.locator(".n-canvas").first.evaluate("each => each.getBoundingClientRect().x") < left
    opened.keyboard.press("0")
    assert opened.evaluate(ZOOM) == 1
    for key, mode in (("1", "photo"), ("3", "map"), ("4", "both"), ("2", "overlay")):
        opened.keyboard.press(key)
        expect(opened.locator("html")).to_have_attribute("data-view-mode", mode)


def test_two_fingers_zoom(opened: Page) -> None:
    opened.evaluate(PINCH, box(opened))
    assert opened.evaluate(ZOOM) == pytest.approx(4, rel=0.05)


def test_the_value_under_the_pointer_is_that_of_the_map(opened: Page, server: Server, rejected: str) -> None:
    raw = httpx.get(f"{server.url}/v1/inspections/{rejected}/heatmap?form=raw").content
    heat = np.load(io.BytesIO(raw), allow_pickle=False)
    at = box(opened)
    for x, y in ((0.1, 0.2), (0.5, 0.5), (0.83, 0.31)):
        opened.mouse.move(at["x"] + x * at["width"], at["y"] + y * at["height"])
        readout = opened.locator(".n-readout")
        expect(readout).to_contain_text("value")
        opened.wait_for_timeout(100)
        said = readout.inner_text()
        column, row = (int(said.split(name)[1].split(",")[0].split()[0]) for name in ("x ", "y "))
        assert (column / heat.shape[1], row / heat.shape[0]) == pytest.approx((x, y), abs=0.01)
        assert float(said.split("value ")[1]) == pytest.approx(float(heat[row, column]), abs=0.001)


def test_the_original_is_beside_the_overlay_and_moves_with_it(opened: Page) -> None:
    opened.keyboard.press("4")
    first, second = opened.locator(".n-frame:not(.n-beside)"), opened.locator(".n-beside")
    expect(second).to_be_visible()
    assert second.bounding_box()["x"] < first.bounding_box()["x"]  # type: ignore[index]
    opened.keyboard.press("+")
    moved = "each => getComputedStyle(each.querySelector('.n-canvas')).transform"
    assert first.evaluate(moved) == second.evaluate(moved)
    expect(second.locator("img")).to_have_css("filter", "none")
    opened.keyboard.press("2")
    expect(second).to_be_hidden()


def test_it_fills_the_screen_and_gives_it_back(opened: Page) -> None:
    small = box(opened)["height"]
    opened.get_by_role("button", name="Full screen").click()
    opened.wait_for_timeout(300)
    assert box(opened)["height"] > 1.2 * small
    opened.get_by_role("button", name="Full screen").click()
    opened.wait_for_timeout(300)
    assert box(opened)["height"] == pytest.approx(small, abs=2)


def test_a_good_part_is_not_coloured_below_the_threshold(server: Server, taught: str) -> None:
    accepted = httpx.get(f"{server.url}/v1/inspections?bank={taught}&decision=accept").json()["items"]
    for row in accepted[:3]:
        layer = httpx.get(f"{server.url}/console/media/inspections/{row['id']}/layer").content
        opacity = np.array(Image.open(io.BytesIO(layer)).convert("RGBA"))[..., 3]
        assert (opacity > 0).mean() < 0.05


def test_the_hardest_nominal_image_opens_with_its_map(
    server: Server, taught: str, open_page: Open, shot: Callable[[Page, str], None]
) -> None:
    page = open_page(f"{server.url}/console/banks/{taught}/versions/1")
    page.locator(".n-tile-button").first.click()
    dialog = page.get_by_role("dialog")
    layer = dialog.locator(".n-layer")
    expect(layer).to_have_js_property("complete", True)
    expect(dialog.get_by_text("without the part that it shows")).to_be_visible()
    dialog.locator(".n-frame").first.hover()
    expect(dialog.locator(".n-readout")).to_contain_text("value")
    assert layer.evaluate("each => each.naturalWidth") > 0
    shot(page, "nominal-image")
    page.keyboard.press("Escape")
    expect(dialog).to_have_count(0)


def test_a_nominal_image_opens_where_it_is_taught(server: Server, taught: str, open_page: Open) -> None:
    page = open_page(f"{server.url}/console/banks/{taught}/teach")
    page.locator(".n-tile-button").first.click()
    photo = page.get_by_role("dialog").locator(".n-photo").first
    expect(photo).to_have_js_property("complete", True)
    page.keyboard.press("+")
    assert page.evaluate(ZOOM) > 1
    expect(page.get_by_role("dialog").get_by_text("Overlay")).to_have_count(0)
