"""A person draws where to look: shapes, undo, keys, saved masks, what the API refuses, who may only look."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import numpy as np
import pytest
from browser.server import Server
from PIL import Image
from playwright.sync_api import Page, expect

from bench.datasets import Split
from nominal_client import Client, ProblemError

SLOW = 30_000  # milliseconds for an answer of a busy machine
BANK = "where-to-look"
OUTLINES = {"width": 300, "height": 300, "inspect": [{"rectangle": [0, 0, 150, 300]}]}


@pytest.fixture
def bank(server: Server, cells: Split) -> Iterator[str]:
    """A bank with three photographs and no mask."""
    with Client(server.url) as client:
        client.create_bank(BANK, title="Solar cell, masked", config={"input": {"size": 224}})
        client.upload_images(BANK, list(cells.train[:3]))
        yield BANK
        client.delete_bank(BANK)


def opened(open_page: Callable[..., Page], server: Server, **how: object) -> Page:
    page = open_page(f"{server.url}/console/banks/{BANK}/mask", **how)
    expect(page.locator(".n-mask-share")).not_to_be_empty(timeout=SLOW)
    page.wait_for_function("document.querySelector('.n-photo').naturalWidth > 0")
    return page


def drag(page: Page, *places: tuple[float, float]) -> None:
    """From place to place, in parts of the photograph."""
    page.locator(".n-mask-frame").scroll_into_view_if_needed()
    box = page.locator(".n-mask-frame").bounding_box()
    assert box is not None
    for index, (x, y) in enumerate(places):
        page.mouse.move(box["x"] + x * box["width"], box["y"] + y * box["height"], steps=5)
        if index == 0:
            page.mouse.down()
    page.mouse.up()


def click(page: Page, *places: tuple[float, float]) -> None:
    for place in places:
        drag(page, place)


def saved(server: Server, width: int = 4) -> list[list[int]]:
    """The bank's mask seen at the middles of width x width fields: 1 where photographs are inspected."""
    with Client(server.url) as client, Image.open(io.BytesIO(client.get_mask_picture(BANK))) as image:
        bright = np.asarray(image.convert("L")) >= 128
    middles = ((np.arange(width) + 0.5) / width * len(bright)).astype(int)
    return bright[np.ix_(middles, middles)].astype(int).tolist()


def save(page: Page) -> None:
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.get_by_text("Saved. It counts from the next build.")).to_be_visible(timeout=SLOW)


def share(page: Page) -> float:
    return float(page.locator(".n-mask-share").inner_text().replace("%", "").strip())


@pytest.mark.parametrize("width", [1280, 390])
def test_a_rectangle_is_drawn_undone_drawn_again_saved_and_shown_after_a_reload(
    server: Server, bank: str, open_page: Callable[..., Page], shot: Callable[[Page, str], None], width: int
) -> None:
    page = open_page(f"{server.url}/console/banks/{BANK}/teach", size=(width, 844 if width < 500 else 720))
    expect(page.get_by_text("The next build looks at all of a photograph.")).to_be_visible()
    page.get_by_role("button", name="Draw a mask").click()
    page.wait_for_url("**/mask")
    expect(page.get_by_text("No mask: all of a photograph is inspected.")).to_be_visible(timeout=SLOW)
    drag(page, (0.5, 0.5), (1.0, 1.0))
    assert share(page) == pytest.approx(75, abs=0.5)
    page.get_by_role("button", name="Undo").click()
    assert share(page) == 100
    page.keyboard.press("Control+y")
    assert share(page) == pytest.approx(75, abs=0.5)
    page.keyboard.press("Control+z")
    drag(page, (0.0, 0.0), (1.0, 0.25))
    expect(page.get_by_text("Not saved yet")).to_be_visible()
    save(page)
    assert saved(server) == [[0] * 4, [1] * 4, [1] * 4, [1] * 4]
    with Client(server.url) as client:
        kept = client.get_mask(BANK)
    assert kept.inspected_share == pytest.approx(0.75, abs=0.005)
    counts = f"{kept.inspected_patches} of {kept.patches}"
    expect(page.get_by_text(counts)).to_be_visible(timeout=SLOW)
    page.reload()
    expect(page.get_by_text(counts)).to_be_visible(timeout=SLOW)
    assert share(page) == pytest.approx(75, abs=0.5)
    shot(page, f"mask-drawn-{width}")
    drag(page, (0.0, 0.75), (1.0, 1.0))  # painted over what was loaded
    save(page)
    assert saved(server) == [[0] * 4, [1] * 4, [1] * 4, [0] * 4]
    page.get_by_role("button", name="Back to Teach").click()
    page.wait_for_url("**/teach")
    expect(page.get_by_text("The next build looks at 50")).to_be_visible()
    shot(page, f"mask-teach-{width}")


def test_every_tool_leaves_out_what_it_draws(
    server: Server, bank: str, open_page: Callable[..., Page], shot: Callable[[Page, str], None]
) -> None:
    page = opened(open_page, server, dark=True)
    tool = lambda name: page.get_by_role("button", name=name, exact=True).click()  # noqa: E731
    tool("Inspect")
    tool("Polygon")
    click(page, (0.02, 0.02), (0.98, 0.02), (0.98, 0.98))
    shot(page, "mask-polygon")
    click(page, (0.02, 0.98), (0.02, 0.98))  # a double click closes
    assert share(page) == pytest.approx(92.2, abs=1)  # the first to inspect leaves out the rest
    tool("Ignore")
    tool("Circle")
    drag(page, (0.125, 0.125), (0.225, 0.125))
    tool("Brush")
    drag(page, (0.375, 0.375), (0.625, 0.375))
    tool("Eraser")
    drag(page, (0.375, 0.375), (0.375, 0.38))
    tool("Polygon")
    click(page, (0.76, 0.76), (0.99, 0.76), (0.99, 0.99), (0.76, 0.99))
    page.keyboard.press("Enter")
    shot(page, "mask-tools")
    save(page)
    assert saved(server) == [[0, 1, 1, 1], [1, 1, 0, 1], [1, 1, 1, 1], [1, 1, 1, 0]]


def test_a_rectangle_is_drawn_by_keys(server: Server, bank: str, open_page: Callable[..., Page]) -> None:
    page = opened(open_page, server)
    page.locator(".n-mask-frame").focus()
    page.keyboard.press("Space")  # in the middle
    for _ in range(10):
        page.keyboard.press("Shift+ArrowRight")
        page.keyboard.press("Shift+ArrowDown")
    page.keyboard.press("Space")
    save(page)
    assert saved(server, 2) == [[1, 1], [1, 0]]


def test_a_mask_set_over_http_is_shown_and_one_that_changed_meanwhile_is_not_overwritten_unasked(
    server: Server, bank: str, open_page: Callable[..., Page], shot: Callable[[Page, str], None]
) -> None:
    with Client(server.url) as client:
        client.set_mask(BANK, OUTLINES)
        page = opened(open_page, server)
        assert share(page) == pytest.approx(50, abs=0.5)
        drag(page, (0.0, 0.5), (1.0, 1.0))
        client.set_mask(BANK, {**OUTLINES, "inspect": [{"rectangle": [0, 0, 300, 150]}]})
        page.get_by_role("button", name="Save", exact=True).click()
        expect(page.get_by_text("Someone changed this bank meanwhile")).to_be_visible()
        shot(page, "mask-stale")
        assert saved(server, 2) == [[1, 1], [0, 0]]
        page.get_by_role("button", name="Do it all the same").click()
        expect(page.get_by_text("Saved. It counts from the next build.")).to_be_visible(timeout=SLOW)
        assert saved(server, 2) == [[1, 0], [0, 0]]
        page.get_by_role("button", name="Remove the mask").click()
        page.get_by_role("dialog").get_by_role("button", name="Remove the mask").click()
        expect(page.get_by_text("No mask: all of a photograph is inspected.")).to_be_visible(timeout=SLOW)
        with pytest.raises(ProblemError, match="which has none"):
            client.get_mask(BANK)


def test_leaving_with_unsaved_changes_asks(server: Server, bank: str, open_page: Callable[..., Page]) -> None:
    page = opened(open_page, server)
    drag(page, (0.1, 0.1), (0.6, 0.6))
    asked: list[str] = []
    page.once("dialog", lambda dialog: (asked.append(dialog.type), dialog.dismiss()))
    page.get_by_role("link", name="Versions", exact=True).click()
    expect(page.get_by_text("Not saved yet")).to_be_visible()
    page.wait_for_timeout(500)
    assert asked == ["beforeunload"]
    assert page.url.endswith("/mask")
    page.get_by_role("button", name="Undo").click()
    page.get_by_role("link", name="Versions", exact=True).click()
    expect(page.get_by_role("heading", level=1, name="Versions")).to_be_visible()


def test_other_photographs_are_shown_under_the_drawing_and_other_shapes_refused_by_name(
    server: Server, bank: str, open_page: Callable[..., Page], cells: Split, tmp_path: Path
) -> None:
    with Image.open(cells.train[0]) as image:
        image.resize((300, 150)).save(tmp_path / "zz-wide.png")
    httpx.post(
        f"{server.url}/v1/banks/{BANK}/images",
        files={"file": ("zz-wide.png", (tmp_path / "zz-wide.png").read_bytes())},
    ).raise_for_status()
    page = opened(open_page, server)
    drag(page, (0.0, 0.0), (0.5, 0.5))
    for number in (2, 3, 4):
        page.get_by_role("button", name="Next photograph").click()
        expect(page.get_by_text(f"{number} of 4: ")).to_be_visible()
    expect(page.get_by_role("button", name="Next photograph")).to_be_disabled()
    assert share(page) == pytest.approx(75, abs=0.5)
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.get_by_text("'zz-wide.png' of 300 x 150 pixels among its nominal images")).to_be_visible()


def test_a_bank_without_photographs_leads_to_teach(server: Server, open_page: Callable[..., Page]) -> None:
    httpx.post(f"{server.url}/v1/banks", json={"id": "bare", "title": "Bare"}).raise_for_status()
    page = open_page(f"{server.url}/console/banks/bare/mask")
    expect(page.get_by_text("No photograph to draw on yet")).to_be_visible()
    page.get_by_role("button", name="Teach this bank").click()
    expect(page.get_by_role("heading", level=1, name="Teach")).to_be_visible()
    httpx.delete(f"{server.url}/v1/banks/bare").raise_for_status()
