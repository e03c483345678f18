"""The console in Debian's Chromium, against a real server with real solar cells; no page may leave the server."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from browser.server import Server
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright
from services.debian import install

from bench.datasets import Split, elpv_split

SHOTS = Path(__file__).resolve().parents[2] / "build" / "screenshots"
QUIET = [
    "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
]  # fmt: skip
DESKTOP, TABLET = {"width": 1280, "height": 720}, {"width": 820, "height": 1180}
BANK = "cells"
expect.set_options(timeout=30_000)  # a page is there in a second, but for a machine that is busy


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Everything here is marked, so that it runs only where it is asked for."""
    for item in items:
        if "tests/browser/" in item.nodeid:
            item.add_marker("browser")


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    """Debian's, installed where it is absent and this is root."""
    if shutil.which("chromium") is None and os.geteuid() == 0:
        install("chromium", "chromium-driver", "fonts-liberation")
    program = shutil.which("chromium")
    assert program is not None, "Chromium is needed: apt-get install chromium"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=QUIET)
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def cells() -> Split:
    """Solar cells: nominal ones to learn from, unseen good and defective ones."""
    return elpv_split()


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One server for all tests that need no keys; it keeps every inspected image."""
    server = Server(tmp_path_factory.mktemp("server")).start()
    yield server
    server.stop()


@pytest.fixture(scope="session")
def taught(server: Server, cells: Split) -> str:
    """The id of a bank with an active version that learnt 45 cells, and has inspected 20."""
    config = {"input": {"size": 224}, "target_false_reject": 0.05}
    server.teach(BANK, list(cells.train[:45]), title="Solar cell, front", config=config)
    server.inspect(BANK, [*cells.test_good[:10], *cells.defective[:10]])
    return BANK


@pytest.fixture
def open_page(chromium: Browser) -> Iterator[Callable[..., Page]]:
    """Makes pages; at the end no request has left their server and no script has failed."""
    contexts: list[BrowserContext] = []
    faults: list[str] = []

    def opened(
        url: str,
        *,
        dark: bool = False,
        tablet: bool = False,
        size: tuple[int, int] | None = None,
        zone: str | None = None,
    ) -> Page:
        """``url`` opened; other addresses of its server may follow."""
        given = {"width": size[0], "height": size[1]} if size else TABLET if tablet else DESKTOP
        context = chromium.new_context(
            viewport=given,  # type: ignore[arg-type]
            timezone_id=zone,
            color_scheme="dark" if dark else "light",  # type: ignore[arg-type]
        )
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(60_000)
        root = "/".join(url.split("/")[:3])
        local = (root, root.replace("http", "ws", 1), "data:", "blob:")
        page.on("request", lambda request: request.url.startswith(local) or faults.append(request.url))
        page.on("websocket", lambda socket: socket.url.startswith(local) or faults.append(socket.url))
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.goto(url)
        return page

    yield opened
    for context in contexts:
        context.close()
    assert faults == []


@pytest.fixture
def shot() -> Callable[[Page, str], None]:
    """Writes a screenshot that people look at."""
    SHOTS.mkdir(parents=True, exist_ok=True)

    def taken(page: Page, name: str) -> None:
        page.wait_for_timeout(500)  # fonts, pictures, transitions
        page.screenshot(path=SHOTS / f"{name}.png")

    return taken
