"""The pages of a bank with registration: the reference and the fits of its version, the outline over a picture."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from browser.server import Server
from moved_parts import taken
from PIL import Image
from playwright.sync_api import Page, expect

Open = Callable[..., Page]


@pytest.fixture
def located(server: Server, tmp_path: Path) -> str:
    """The id of an inspection of a bank whose parts are brought onto a reference."""
    paths = [tmp_path / f"{i}.png" for i in range(10)]
    for path, image in zip(paths, taken(10), strict=True):
        Image.fromarray(image).save(path)
    config = {"input": {"size": 64}, "target_false_reject": 0.2, "registration": {"on": True}}
    server.teach("turned", paths[:8], config=config)
    return str(server.inspect("turned", paths[9:])[0]["id"])


def test_the_reference_the_fits_and_the_outline_are_shown(
    server: Server, located: str, open_page: Open, shot: Callable[[Page, str], None]
) -> None:
    page = open_page(f"{server.url}/console/inspections/{located}")
    outline = page.locator(".n-outline polygon")
    expect(outline).to_be_visible()
    shot(page, "outline-1280")
    page.locator(".n-outlines").uncheck()
    expect(outline).to_be_hidden()
    page.locator(".n-outlines").check()
    for width in (1280, 1024, 390):
        page.set_viewport_size({"width": width, "height": 900})
        page.goto(f"{server.url}/console/inspections/{located}")
        expect(outline).to_be_visible()
        shot(page, f"outline-{width}")
        page.goto(f"{server.url}/console/banks/turned/versions/1")
        parts = page.locator(".n-section", has_text="Where the parts lie")
        expect(parts.get_by_text("keypoints")).to_be_visible()
        expect(parts.get_by_text(re.compile(r"^Fit 0|^Fit 1"))).to_have_count(8)
        parts.scroll_into_view_if_needed()
        shot(page, f"fits-{width}")
