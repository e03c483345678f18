"""Every page in light and dark and on three screens: accessible by axe-core, nothing beside the window."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

import httpx
import pytest
from axe_playwright_python.sync_playwright import Axe
from browser.server import Server
from playwright.sync_api import Page, expect

SCREENS = {1280: 720, 1024: 768, 820: 1180, 390: 844}
RULES: dict[Literal["light", "dark"], dict[str, Any]] = {
    "light": {"resultTypes": ["violations"], "rules": {"label-content-name-mismatch": {"enabled": True}}},
    "dark": {"resultTypes": ["violations"], "runOnly": ["color-contrast"]},  # all else is the same page
}
WIDE = "document.documentElement.scrollWidth <= window.innerWidth"
PICTURE_SHARE = 0.3  # of the window's height or width at least


def pages(server: Server, bank: str) -> dict[str, str]:
    """Each page's address below the console."""
    rejected = httpx.get(f"{server.url}/v1/inspections?bank={bank}&decision=reject").json()["items"][-1]["id"]
    of_bank = {
        name: f"banks/{bank}/{name}"
        for name in (
            "teach",
            "settings",
            "mask",
            "trend",
            "defects",
            "thresholds",
            "check",
            "compare",
            "versions",
        )
    }
    return {
        "banks": "", **of_bank, "version": f"banks/{bank}/versions/1",
        "inspect": f"banks/{bank}/inspect?shown={rejected}",
        "review": "review", "inspections": "inspections", "inspection": f"inspections/{rejected}", "system": "system",
        "events": "events", "live": "live",
    }  # fmt: skip


def shown(page: Page, server: Server, path: str) -> None:
    page.goto(f"{server.url}/console/{path}")
    expect(page.get_by_role("heading", level=1)).to_be_visible()
    page.wait_for_function("[...document.images].every(image => image.complete || image.loading === 'lazy')")


def test_every_page_fits_each_screen_and_axe_finds_nothing_in_light_and_dark(
    server: Server, taught: str, open_page: Callable[..., Page], shot: Callable[[Page, str], None]
) -> None:
    """Each page is loaded once, on the smallest screen, and the window grows: a page takes seconds to load here."""
    page, axe = open_page(f"{server.url}/livez"), Axe()
    found: dict[tuple[str, str, str], list[str]] = {}
    for name, path in pages(server, taught).items():
        page.emulate_media(color_scheme="light")
        page.set_viewport_size({"width": min(SCREENS), "height": SCREENS[min(SCREENS)]})
        shown(page, server, path)
        for width in sorted(SCREENS):
            page.set_viewport_size({"width": width, "height": SCREENS[width]})
            shot(page, f"{name}-{width}")
            assert page.evaluate(WIDE), (name, width)
        for scheme, rules in RULES.items():
            page.emulate_media(color_scheme=scheme)
            page.wait_for_timeout(300)  # transitions end
            for each in axe.run(page, options=rules).response["violations"]:
                found[name, scheme, each["id"]] = [node["html"][:160] for node in each["nodes"][:3]]
    assert found == {}


@pytest.mark.parametrize("width", [1280, 1024, 390])
def test_the_picture_is_large_and_comes_first_on_every_screen(
    server: Server, taught: str, open_page: Callable[..., Page], width: int
) -> None:
    height = SCREENS[width]
    page = open_page(f"{server.url}/livez", size=(width, height))
    for name in ("review", "inspection", "inspect"):
        shown(page, server, pages(server, taught)[name])
        picture = page.locator(".n-frame").first.bounding_box()
        assert picture is not None
        assert max(picture["width"] / width, picture["height"] / height) > PICTURE_SHARE, (name, picture)
        bar = page.locator(".n-review-bar")
        if width == 390 and bar.count():
            below = bar.bounding_box()
            assert below is not None
            assert below["y"] > picture["y"] + 100, name  # within reach at the foot of the window
            assert below["y"] + below["height"] <= height, name
