"""Signing in at an OpenID provider: a real one, started here, whose pages the tests go through as a browser does."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from pydantic import SecretStr
from service_kit import problem, service_of
from services.processes import free_port, running
from starlette.testclient import TestClient

from app.console.people import COOKIE as AWAY
from app.console.session import COOKIE
from app.lifecycle.provider import Provider
from app.settings import Settings, SettingsError, load_settings

HTML = {"Accept": "text/html"}
PEOPLE = (
    {"sub": "7", "preferred_username": "anna", "name": "Anna Berg", "groups": ["qa", "all"]},
    {"sub": "8", "preferred_username": "ben", "name": "Ben Lund", "groups": "line"},
    {"sub": "9", "preferred_username": "carl", "groups": ["canteen"]},
)


@pytest.fixture(scope="module")
def issuer() -> Iterator[str]:
    port = free_port()
    claims = [word for person in PEOPLE for word in ("--user-claims", json.dumps(person))]
    command = [sys.executable, "-W", "ignore", "-m", "oidc_provider_mock", "-p", str(port), *claims]
    url = f"http://127.0.0.1:{port}"
    with running(
        [*command, "--require-nonce", "true"],
        lambda: _answers(url),
        signal.SIGTERM,
        stderr=subprocess.DEVNULL,
    ):
        yield url


def _answers(url: str) -> bool:
    try:
        return httpx.get(url, timeout=2).is_success
    except httpx.TransportError:
        return False


@pytest.fixture
def behind(serve: Callable[..., TestClient], settings: Settings, issuer: str) -> TestClient:
    """A console whose people sign in at the provider."""
    roles = {"qa": "admin", "line": "inspect"}
    named = {"oidc_issuer": issuer, "oidc_client_id": "nominal", "oidc_client_secret": SecretStr("s3cret")}
    named |= {"oidc_role_claim": "groups"}
    return serve(settings.model_copy(update={"console": True, **named, "oidc_roles": roles}))


def leave(console: TestClient, wanted: str = "/") -> str:
    """The provider's page that the sign-in button leads to."""
    page = console.get(f"/console/sign-in?next={wanted}").text
    assert "Sign in with your organisation" in page
    answer = console.get(f"/console/sign-in/provider?next={wanted}", follow_redirects=False)
    assert answer.status_code == 303
    return answer.headers["location"]


def at_provider(page: str, **form: str) -> str:
    """Where the provider sends the browser after its form."""
    answer = httpx.post(page, data=form)
    assert answer.status_code == 302, answer.text
    return answer.headers["location"]


def sign_in(console: TestClient, subject: str, wanted: str = "/") -> httpx.Response:
    return console.get(at_provider(leave(console, wanted), sub=subject), follow_redirects=False)


def test_a_person_signs_in_with_the_role_of_their_group_and_is_named_in_the_audit(behind: TestClient) -> None:
    answer = sign_in(behind, "7", "/banks")
    assert answer.status_code == 200
    assert (
        'content="0;url=/console/banks"' in answer.text
    )  # a page of ours leads on, so a strict cookie comes with it
    assert "Signed in as Anna Berg" in answer.text
    assert "SameSite=strict" in answer.headers["set-cookie"]
    assert behind.get("/console/banks", headers=HTML).url.path == "/console/banks"
    newest = service_of(behind).store.audit.page(target="person:anna").items[0]
    assert (newest.actor, newest.action) == ("person:anna", "person.sign_in")
    assert newest.detail == {"name": "Anna Berg", "role": "admin"}


def test_a_lower_role_is_held_to_it(behind: TestClient) -> None:
    sign_in(behind, "8")
    assert service_of(behind).store.people.all()[0].role == "inspect"
    problem(behind.delete(f"/console/v1/banks/caps/images/{'0' * 64}"), 403, "forbidden")


def test_nobody_gets_in_without_a_role_and_is_told_so(behind: TestClient) -> None:
    answer = sign_in(behind, "9")
    assert answer.headers["location"] == "/console/sign-in?reason=no_role"
    assert "you have no role here" in behind.get(answer.headers["location"]).text
    assert COOKIE not in behind.cookies
    assert service_of(behind).store.people.all() == []
    assert service_of(behind).store.audit.page().items[0].action == "console.refused"


def test_with_a_provider_this_machine_needs_a_session_or_a_key_too(behind: TestClient) -> None:
    assert behind.get("/console/banks", headers=HTML).url.path == "/console/sign-in"
    problem(behind.get("/v1/banks"), 401, "unauthorized")
    text, _ = service_of(behind).admission.create("line", "inspect", None, "cli")
    assert behind.get("/v1/banks", headers={"X-API-Key": text}).status_code == 200


def test_a_sign_in_that_is_cancelled_says_so(behind: TestClient) -> None:
    answer = behind.get(at_provider(leave(behind), action="deny"), follow_redirects=False)
    assert answer.headers["location"] == "/console/sign-in?reason=denied"


def test_an_answer_to_nothing_to_another_request_or_twice_opens_nothing(behind: TestClient) -> None:
    back = at_provider(leave(behind), sub="7")
    away = behind.cookies[AWAY]
    leave(behind)  # another request takes the first one's place
    assert behind.get(back, follow_redirects=False).headers["location"].endswith("reason=stale")
    behind.cookies.delete(AWAY)
    assert behind.get(back, follow_redirects=False).headers["location"].endswith("reason=stale")
    behind.cookies.set(AWAY, away, path="/console/sign-in")
    assert behind.get(back, follow_redirects=False).status_code == 200
    behind.cookies.set(AWAY, away, path="/console/sign-in")
    assert (
        behind.get(back, follow_redirects=False).headers["location"].endswith("reason=provider")
    )  # the code is used


def test_only_a_path_of_the_console_is_led_to(behind: TestClient) -> None:
    answer = sign_in(behind, "7", "//evil.example")
    assert 'content="0;url=/console/"' in answer.text


def test_after_signing_out_the_provider_asks_for_a_password_again(behind: TestClient) -> None:
    sign_in(behind, "7")
    behind.post("/console/sign-out", follow_redirects=False)
    page = behind.get("/console/sign-in?reason=out").text
    assert "again=true" in page
    address = behind.get("/console/sign-in/provider?again=true", follow_redirects=False).headers["location"]
    asked = parse_qs(urlsplit(address).query)
    assert asked["prompt"] == ["login"]
    assert asked["code_challenge_method"] == ["S256"]
    assert asked["redirect_uri"] == ["http://127.0.0.1/console/sign-in/arrived"]


def test_an_administrator_sees_people_and_signs_them_out_everywhere(behind: TestClient) -> None:
    sign_in(behind, "8")
    text, _ = service_of(behind).admission.create("boss", "admin", None, "cli")
    key = {"X-API-Key": text}
    [person] = behind.get("/v1/people", headers=key).json()["items"]
    assert (person["id"], person["name"], person["role"], person["subject"]) == (
        "person:ben",
        "Ben Lund",
        "inspect",
        "8",
    )
    assert behind.get("/console/banks", headers=HTML).url.path == "/console/banks"
    assert behind.post("/v1/people/person:ben/sign-out", headers=key).json()["id"] == "person:ben"
    assert behind.get("/console/banks", headers=HTML).url.path == "/console/sign-in"
    problem(behind.post("/v1/people/person:nobody/sign-out", headers=key), 404, "not-found")


def test_a_provider_that_is_gone_is_said_and_keys_still_sign_in(
    serve: Callable[..., TestClient], settings: Settings
) -> None:
    gone = {"console": True, "oidc_issuer": "http://127.0.0.1:9", "oidc_client_id": "nominal"}
    console = serve(settings.model_copy(update=gone))
    answer = console.get("/console/sign-in/provider", follow_redirects=False)
    assert answer.headers["location"] == "/console/sign-in?reason=provider"
    assert "cannot be used at the moment" in console.get(answer.headers["location"]).text
    text, _ = service_of(console).admission.create("boss", "admin", None, "cli")
    entered = console.post("/console/sign-in", data={"key": text}, follow_redirects=False)
    assert entered.headers["location"] == "/console/"


def test_an_issuer_of_another_name_is_not_believed(
    serve: Callable[..., TestClient], settings: Settings, tmp_path: Path
) -> None:
    (tmp_path / ".well-known").mkdir()
    said = {"issuer": "https://evil.example", "authorization_endpoint": "https://evil.example/authorize"}
    (tmp_path / ".well-known/openid-configuration").write_text(json.dumps(said))
    with ThreadingHTTPServer(
        ("127.0.0.1", 0), partial(SimpleHTTPRequestHandler, directory=tmp_path)
    ) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        named = {"oidc_issuer": f"http://127.0.0.1:{server.server_port}", "oidc_client_id": "nominal"}
        console = serve(settings.model_copy(update={"console": True, **named}))
        answer = console.get("/console/sign-in/provider", follow_redirects=False)
        server.shutdown()
    assert answer.headers["location"].endswith("reason=provider")


def test_without_a_provider_its_pages_lead_nowhere(console: TestClient) -> None:
    assert console.get("/console/sign-in/provider", headers=HTML).status_code == 404
    assert "Sign in with" not in console.get("/console/sign-in").text


@pytest.mark.parametrize(
    ("claim", "claims", "role"),
    [
        ("roles", {"roles": ["nominal-read", "nominal-admin"]}, "admin"),
        ("realm_access.roles", {"realm_access": {"roles": ["nominal-inspect"]}}, "inspect"),
        ("https://x.example/roles", {"https://x.example/roles": "nominal-read"}, "read"),
    ],
)
def test_the_highest_role_of_the_claim_counts(claim: str, claims: dict[str, object], role: str) -> None:
    settings = load_settings(oidc_issuer="https://login.example", oidc_client_id="n", oidc_role_claim=claim)
    assert Provider(settings)._arrived({"sub": "7", **claims}).role == role


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"oidc_issuer": "http://login.example", "oidc_client_id": "n"}, "https://"),
        ({"oidc_issuer": "https://login.example"}, "oidc_client_id"),
        ({"oidc_issuer": "https://l.example", "oidc_client_id": "n", "oidc_scopes": "email"}, "openid"),
        ({"oidc_roles": json.loads('{"qa": "owner"}')}, "OIDC_ROLES"),
    ],
)
def test_settings_that_cannot_work_are_refused_by_name(given: dict[str, object], said: str) -> None:
    with pytest.raises(SettingsError, match=re.escape(said)):
        load_settings(**given)
