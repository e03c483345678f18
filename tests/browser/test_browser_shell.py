"""The frame: how soon, how wide, how dark; keyboard; sessions; a server that goes away and comes back."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import httpx
from browser.server import Server
from playwright.sync_api import Page, expect

from app.learning.banks import default_config
from app.settings import load_settings
from app.store.store import open_store

FIRST_PAGE_SECONDS = 1.0
PAINTED = "performance.getEntriesByName('first-contentful-paint')[0]?.startTime"  # nothing is before the page
RING = """(() => {
  const style = getComputedStyle(document.activeElement);
  return style.outlineStyle !== "none" || style.boxShadow.includes("4px");
})()"""


def test_the_first_page_is_there_within_a_second(
    server: Server, taught: str, open_page: Callable[..., Page]
) -> None:
    seconds = []
    for _ in range(5):  # each with an empty cache
        page = open_page(f"{server.url}/livez")
        page.goto(f"{server.url}/console/")
        expect(page.get_by_role("heading", name="Banks")).to_be_visible()
        seconds.append(page.wait_for_function(PAINTED).json_value() / 1000)
    assert min(seconds) < FIRST_PAGE_SECONDS, seconds


def test_under_a_path_of_a_proxy_every_page_finds_its_parts(
    tmp_path: Path, open_page: Callable[..., Page]
) -> None:
    server = Server(tmp_path, settings={"NOMINAL_ROOT_PATH": "/line-a"}).start()
    try:
        page = open_page(f"{server.url}/line-a/livez")
        lost: list[str] = []
        page.on("response", lambda answer: answer.ok or answer.status < 400 or lost.append(answer.url))
        page.on("request", lambda one: "/line-a/" in one.url or lost.append(one.url))
        page.on("websocket", lambda one: "/line-a/" in one.url or lost.append(one.url))
        page.goto(f"{server.url}/line-a/console/")
        page.get_by_role("button", name="Create bank").first.click()
        expect(page).to_have_url(re.compile("/line-a/console/"))
        expect(page.get_by_role("dialog").get_by_text("Create", exact=False).first).to_be_visible()
        assert lost == []
    finally:
        server.stop()


def test_the_appearance_chosen_stays(server: Server, taught: str, open_page: Callable[..., Page]) -> None:
    page = open_page(f"{server.url}/console/")
    light = page.evaluate("getComputedStyle(document.body).backgroundColor")
    page.get_by_role("button", name="Appearance").click()
    page.get_by_text("Dark", exact=True).click()
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")
    page.reload()
    expect(page.locator("body")).to_have_class(re.compile("body--dark"))
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") != light


def test_everything_is_reached_by_keyboard(
    server: Server, taught: str, open_page: Callable[..., Page]
) -> None:
    page = open_page(f"{server.url}/console/")
    expect(page.get_by_role("heading", name="Banks")).to_be_visible()
    names: list[str] = []
    for _ in range(60):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement === document.body"):  # past the last
            break
        names.append(page.evaluate("document.activeElement.innerText + document.activeElement.ariaLabel"))
        assert page.evaluate(RING), names[-1]
    for wanted in ("Banks", "Teach", "Appearance", "Account", "Create bank", "More"):
        assert any(wanted in name for name in names), (wanted, names)


def test_a_bank_deleted_elsewhere_is_said_plainly(server: Server, open_page: Callable[..., Page]) -> None:
    httpx.post(f"{server.url}/v1/banks", json={"id": "gone"}).raise_for_status()
    page = open_page(f"{server.url}/console/banks/gone/teach")
    expect(page.get_by_text("No image yet")).to_be_visible()
    httpx.delete(f"{server.url}/v1/banks/gone").raise_for_status()
    expect(page.get_by_text("The bank must exist").first).to_be_visible()
    page.reload()
    expect(page.get_by_text("This page cannot be shown")).to_be_visible()
    page.get_by_role("button", name="All banks").last.click()
    expect(page.get_by_role("heading", name="Banks")).to_be_visible()


def test_a_page_recovers_by_itself_when_the_server_comes_back(
    tmp_path: Path, open_page: Callable[..., Page]
) -> None:
    own = Server(tmp_path).start()
    try:
        page = open_page(f"{own.url}/console/")
        expect(page.get_by_text("No bank yet")).to_be_visible()
        own.stop()
        expect(page.get_by_text("The connection to the server is lost.")).to_be_visible()
        with open_store(load_settings({}, data_dir=own.folder / "data")) as store:
            store.banks.create("caps", title="Cap", config=default_config(), actor="cli")
        own.start()
        expect(page.get_by_role("article")).to_contain_text("caps", timeout=120_000)
        expect(page.get_by_text("The connection to the server is lost.")).to_be_hidden()
    finally:
        own.stop()


def test_keys_sign_people_in_and_a_revoked_one_out(
    tmp_path: Path, open_page: Callable[..., Page], shot: Callable[[Page, str], None]
) -> None:
    own = Server(tmp_path).start()
    try:
        admin, reader = own.key("admin"), own.key("read")
        page = open_page(f"{own.url}/console/")
        expect(page.get_by_label("API key")).to_be_visible(timeout=30_000)
        shot(page, "sign-in")
        page.get_by_label("API key").fill("nominal_wrong")
        page.get_by_role("button", name="Sign in").click()
        expect(page.get_by_text("This key is not valid")).to_be_visible()
        page.get_by_label("API key").fill(reader)
        page.get_by_role("button", name="Sign in").click()
        create = page.get_by_role("button", name="Create bank").first
        expect(create).to_be_disabled()
        head = {"X-API-Key": admin}
        made = httpx.post(f"{own.url}/v1/keys/{admin.split('_')[1]}/links", headers=head).json()["link"]
        invited = open_page(f"{own.url}{made}")
        shot(invited, "sign-in-link")
        invited.get_by_role("button", name="Sign in").click()
        expect(invited.get_by_role("button", name="Create bank").first).to_be_enabled()
        assert "#" not in invited.url
        invited.goto(f"{own.url}/console/system")
        invited.get_by_role("button", name="Sign-in link").first.click()
        link = invited.locator(".n-key-value").input_value()
        shot(invited, "sign-in-link-made")
        late = open_page(link)
        late.get_by_role("button", name="Sign in").click()
        expect(late.get_by_role("button", name="Create bank").first).to_be_visible()
        late.context.clear_cookies()
        late.goto(f"{own.url}/livez")
        late.goto(link)
        late.get_by_role("button", name="Sign in").click()
        expect(late.get_by_text("This sign-in link was used already")).to_be_visible()
        create.locator("..").hover()
        expect(page.get_by_text("This needs the role admin")).to_be_visible()
        id = reader.split("_")[1]
        httpx.delete(f"{own.url}/v1/keys/{id}", headers={"X-API-Key": admin}).raise_for_status()
        expect(page.get_by_text("Your session has ended")).to_be_visible(timeout=30_000)  # at the next look
    finally:
        own.stop()
