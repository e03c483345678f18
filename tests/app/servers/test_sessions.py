"""Sessions of the console among several servers: signed in at one is signed in at all, and out alike."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest
from pydantic import SecretStr
from service_kit import LOCAL, problem, service_of, wait_until
from starlette.applications import Starlette
from starlette.routing import Mount
from starlette.testclient import TestClient

from app.console.mount import Console
from app.console.session import COOKIE, secret_of
from app.settings import Settings
from app.store.store import Store, open_store

IMAGES = "/console/v1/banks/caps/images"
Serve = Callable[..., TestClient]


@pytest.fixture
def consoles(serve: Serve, settings: Settings) -> Iterator[list[TestClient]]:
    """Browsers at the consoles of two servers, which need a key; without pages, of which a process has one set."""
    with ExitStack() as stack:
        browsers = []
        for service in [service_of(serve(settings)) for _ in range(2)]:
            console = Console(Starlette())
            console.open(service)
            browsers.append(
                TestClient(
                    Starlette(routes=[Mount("/console", console)]),
                    LOCAL,
                    client=("127.0.0.1", 50000),
                    follow_redirects=False,
                )
            )
        for browser in browsers:
            stack.enter_context(browser)
        service.store.banks.create("caps", title="Caps", config={}, actor="cli")
        yield browsers


def sign_in(browser: TestClient, store: Store) -> str:
    """A new session's cookie."""
    text, _ = store.keys.create("test", "admin", actor="cli")
    answer = browser.post("/console/sign-in", data={"key": text, "next": "/"})
    assert (answer.status_code, answer.headers["location"]) == (303, "/console/")
    return answer.cookies[COOKIE]


def test_who_signs_in_at_one_server_is_signed_in_at_all_and_signed_out_at_all(
    consoles: list[TestClient], settings: Settings
) -> None:
    first, second = consoles
    with open_store(settings) as store:
        cookie, other = (sign_in(first, store) for _ in range(2))
    headers = {"Cookie": f"{COOKIE}={cookie}"}
    first.cookies.clear()
    assert [browser.get(IMAGES, headers=headers).status_code for browser in consoles] == [200, 200]
    assert (
        second.post("/console/sign-out", headers=headers).headers["location"] == "/console/sign-in?reason=out"
    )
    problem(second.get(IMAGES, headers=headers), 401, "unauthorized")
    wait_until(lambda: first.get(IMAGES, headers=headers).status_code == 401, seconds=3)
    assert first.get(IMAGES, headers={"Cookie": f"{COOKIE}={other}"}).status_code == 200  # which nobody ended


def test_the_secret_is_made_once_and_begins_with_that_of_an_earlier_release(settings: Settings) -> None:
    file = settings.data_dir / "console.secret"
    settings.data_dir.mkdir(exist_ok=True)
    file.write_text("of an earlier release")
    with open_store(settings) as store:
        assert secret_of(settings, store) == "of an earlier release"
        file.unlink()
        assert secret_of(settings, store) == "of an earlier release"
        store.sessions.renew(actor="cli")
        assert len(secret_of(settings, store)) >= 64
        own = settings.model_copy(update={"console_secret": SecretStr("set")})
        assert secret_of(own, store) == "set"
