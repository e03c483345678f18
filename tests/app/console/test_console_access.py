"""Who gets into the console: sessions, keys, other sites; one application after another."""

from __future__ import annotations

import re

import pytest
from service_kit import PNG, problem, service_of
from starlette.testclient import TestClient
from starlette.websockets import WebSocketDisconnect

from app.console.session import COOKIE
from app.errors import StartRefused
from app.http.middleware import API_POLICY, PAGE_POLICY
from app.main import create_app
from app.settings import Settings
from app.store.errors import StorageFull
from app.store.schema import Role
from app.store.scope import Scope
from models.backbone import Backbone

HTML = {"Accept": "text/html"}
UPGRADE = {"Upgrade": "websocket"}
ADDRESS = re.compile(r"""(?:https?:)?//[\w.-]+""")


def new_key(client: TestClient, role: Role = "admin") -> tuple[str, str]:
    """(text, id) of a key; from now on a key is needed."""
    text, key = service_of(client).admission.create("test", role, None, "cli")
    return text, key.id


def sign_in(client: TestClient, text: str, wanted: str = "/") -> str:
    """Where signing in leads to."""
    answer = client.post("/console/sign-in", data={"key": text, "next": wanted}, follow_redirects=False)
    assert answer.status_code == 303
    return answer.headers["location"]


def test_a_key_that_is_limited_does_not_sign_in(console: TestClient) -> None:
    text, _ = service_of(console).admission.create("line 3", "admin", None, "cli", Scope.of(["caps"], None))
    assert sign_in(console, text).startswith("/console/sign-in?reason=limited")
    assert console.get("/console/banks", headers=HTML).url.path == "/console/sign-in"
    assert "limited to banks or stations" in console.get("/console/sign-in?reason=limited").text


def test_a_sign_in_is_audited_and_goes_on_where_the_audit_cannot_be_written_yet(
    console: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    text, id = new_key(console)
    audit, trail = service_of(console).store.audit, service_of(console).trail

    def full(*given: object, **detail: object) -> None:
        raise StorageFull("there must be room", "none", "Make room.")

    with monkeypatch.context() as patch:
        patch.setattr(audit, "note", full)
        assert sign_in(console, text, "/banks") == "/console/banks"
    trail.flush()
    newest = audit.page().items[0]
    assert (newest.actor, newest.action) == (id, "console.sign_in")


def test_a_refused_sign_in_is_audited_with_its_address(console: TestClient) -> None:
    new_key(console)
    for _ in range(3):
        assert "reason=refused" in sign_in(console, "nominal_x")
    [entry] = [each for each in service_of(console).store.audit.page().items if each.action != "key.create"]
    assert (entry.action, entry.address) == ("console.refused", "127.0.0.1")


# Without keys


def test_this_machine_needs_no_key_where_none_is_configured(console: TestClient) -> None:
    page = console.get("/console/", headers=HTML)
    assert page.status_code == 200
    assert "Banks" in page.text


def test_the_root_leads_to_the_console(console: TestClient) -> None:
    assert console.get("/", headers=HTML).url.path == "/console/"


def test_a_foreign_host_name_is_refused(console: TestClient) -> None:
    problem(console.get("/console/", headers={"Host": "evil.example"}), 403, "foreign-origin")


@pytest.mark.parametrize(
    "path", ["/console/v1/banks/x/images", "/console/sign-in", "/console/_nicegui_ws/socket.io/"]
)
def test_a_page_of_another_site_may_change_nothing(console: TestClient, path: str) -> None:
    problem(console.post(path, headers={**UPGRADE, "Origin": "https://evil.example"}), 403, "foreign-origin")


def test_a_socket_of_another_site_is_refused(console: TestClient) -> None:
    path = "ws://127.0.0.1/console/_nicegui_ws/socket.io/?EIO=4&transport=websocket"
    with console.websocket_connect(path, headers={**UPGRADE, "Origin": "http://127.0.0.1"}):
        pass
    with (
        pytest.raises(WebSocketDisconnect),
        console.websocket_connect(path, headers={**UPGRADE, "Origin": "https://evil.example"}),
    ):
        pass


# With keys


def test_with_keys_a_page_leads_to_the_sign_in_page_and_back(console: TestClient) -> None:
    text, _ = new_key(console)
    page = console.get("/console/banks/caps/teach", headers=HTML)
    assert page.url.path == "/console/sign-in"
    assert 'name="next" value="/banks/caps/teach"' in page.text
    assert sign_in(console, text, "/banks/caps/teach") == "/console/banks/caps/teach"
    assert console.get("/console/", headers=HTML, follow_redirects=False).status_code == 200


def test_what_is_no_page_is_refused_as_a_problem(console: TestClient) -> None:
    new_key(console)
    problem(console.post("/console/v1/banks/caps/images", content=b"x", headers=PNG), 401, "unauthorized")
    with (
        pytest.raises(WebSocketDisconnect),
        console.websocket_connect("ws://127.0.0.1/console/_nicegui_ws/socket.io/"),
    ):
        pass


def test_the_cookie_holds_no_key_and_no_script_or_other_site_reaches_it(console: TestClient) -> None:
    text, id = new_key(console)
    answer = console.post("/console/sign-in", data={"key": text}, follow_redirects=False)
    cookie = answer.headers["set-cookie"]
    assert text.removeprefix(f"nominal_{id}_") not in cookie
    assert all(part in cookie for part in ("HttpOnly", "SameSite=strict", "Path=/console"))


def test_a_wrong_key_is_told_plainly_and_opens_nothing(console: TestClient) -> None:
    new_key(console)
    assert "reason=refused" in sign_in(console, "nominal_000000000000_" + "x" * 43)
    assert COOKIE not in console.cookies
    assert "This key is not valid" in console.get("/console/sign-in?reason=refused").text


def link_of(client: TestClient, key: str, head: dict[str, str]) -> str:
    """The text of a new sign-in link."""
    answer = client.post(f"/v1/keys/{key}/links", headers=head)
    assert answer.status_code == 201
    path, _, text = answer.json()["link"].partition("#")
    page = client.get(path, headers=HTML)
    assert (page.status_code, page.headers["cache-control"]) == (200, "no-store")
    assert 'action="/console/sign-in/link"' in page.text
    return str(text)


def test_a_link_signs_a_browser_in_once_as_its_key_with_its_role(console: TestClient) -> None:
    admin, _ = new_key(console)
    reader = service_of(console).admission.create("Night shift", "read", None, "cli")[1]
    text = link_of(console, reader.id, {"X-API-Key": admin})

    def enter() -> str:
        answer = console.post("/console/sign-in/link", data={"link": text}, follow_redirects=False)
        assert answer.status_code == 303
        return answer.headers["location"]

    assert enter() == "/console/"
    page = console.get("/console/", headers=HTML)
    assert "Night shift" in page.text
    assert console.post("/console/v1/banks/none/images", content=b"x", headers=PNG).status_code == 403
    console.cookies.clear()
    assert enter() == "/console/sign-in?reason=used"
    assert "was used already" in console.get("/console/sign-in?reason=used").text
    assert console.get("/console/", headers=HTML, follow_redirects=False).status_code == 303
    service_of(console).admission.revoke(reader.id, "cli")
    assert console.post(f"/v1/keys/{reader.id}/links", headers={"X-API-Key": admin}).status_code == 422


def test_a_link_of_no_key_opens_nothing_and_says_so(console: TestClient) -> None:
    new_key(console)
    answer = console.post("/console/sign-in/link", data={"link": "guess"}, follow_redirects=False)
    assert answer.headers["location"] == "/console/sign-in?reason=unknown"
    assert COOKIE not in console.cookies
    assert "is not known" in console.get("/console/sign-in?reason=unknown").text


def test_another_site_may_not_sign_a_browser_in_by_its_own_link(console: TestClient) -> None:
    admin, id = new_key(console)
    text = link_of(console, id, {"X-API-Key": admin})
    answer = console.post(
        "/console/sign-in/link", data={"link": text}, headers={"Origin": "https://evil.example"}
    )
    problem(answer, 403, "foreign-origin")


def test_only_an_administrator_makes_links(console: TestClient) -> None:
    _, id = new_key(console)
    inspector, _ = new_key(console, "inspect")
    problem(console.post(f"/v1/keys/{id}/links", headers={"X-API-Key": inspector}), 403, "forbidden")


def test_the_sign_in_form_is_one_that_password_managers_store(console: TestClient) -> None:
    new_key(console)
    page = console.get("/console/sign-in").text
    assert re.search(r'<input [^>]*autocomplete="username"', page)
    assert re.search(r'<input [^>]*type="password" autocomplete="current-password"', page)


def test_a_revoked_key_ends_its_session_at_once(console: TestClient) -> None:
    new_key(console)
    text, id = new_key(console, "read")
    sign_in(console, text)
    assert console.get("/console/", headers=HTML, follow_redirects=False).status_code == 200
    service_of(console).admission.revoke(id, "cli")
    assert console.get("/console/", headers=HTML).url.path == "/console/sign-in"


def test_signing_out_ends_the_session_where_its_cookie_is_kept(console: TestClient) -> None:
    text, _ = new_key(console)
    sign_in(console, text)
    kept = console.cookies[COOKIE]
    console.post("/console/sign-out")
    assert COOKIE not in console.cookies
    page = console.get("/console/", headers={**HTML, "Cookie": f"{COOKIE}={kept}"})
    assert page.url.path == "/console/sign-in"


def test_a_cookie_that_was_tampered_with_opens_nothing(console: TestClient) -> None:
    text, _ = new_key(console)
    sign_in(console, text)
    console.cookies[COOKIE] = console.cookies[COOKIE][:-2] + "xx"
    assert console.get("/console/", headers=HTML).url.path == "/console/sign-in"


def test_a_reader_may_not_upload(console: TestClient) -> None:
    text, _ = new_key(console, "read")
    sign_in(console, text)
    problem(console.post("/console/v1/banks/caps/images", content=b"x", headers=PNG), 403, "forbidden")


@pytest.mark.parametrize("wanted", ["//evil.example", "https://evil.example", "/\\evil.example"])
def test_signing_in_never_leads_to_another_site(console: TestClient, wanted: str) -> None:
    text, _ = new_key(console)
    assert sign_in(console, text, wanted) == "/console/"


# The API's routes below the console


def test_the_api_takes_no_cookie_and_its_routes_below_the_console_take_no_key(taught: TestClient) -> None:
    text, _ = new_key(taught, "inspect")
    sign_in(taught, text)
    cookie = {"Cookie": f"{COOKIE}={taught.cookies[COOKIE]}"}
    key = {"Authorization": f"Bearer {text}"}
    export = "/v1/inspections/export"
    assert taught.get(f"/console{export}").status_code == 200
    problem(taught.get(export, headers=cookie), 401, "unauthorized")
    problem(taught.post("/v1/banks/caps/inspect", content=b"x", headers=cookie | PNG), 401, "unauthorized")
    taught.cookies.clear()
    problem(taught.get(f"/console{export}", headers=key), 401, "unauthorized")
    assert taught.get(export, headers=key).status_code == 200


@pytest.mark.parametrize(
    ("path", "kind"),
    [("banks/caps/images", "forbidden"), ("inspections/x/teach", "forbidden"), ("banks/caps/inspect", None)],
)
def test_a_session_may_do_below_the_console_what_its_key_may(
    taught: TestClient, bad: bytes, path: str, kind: str | None
) -> None:
    text, id = new_key(taught, "inspect")
    sign_in(taught, text)
    answer = taught.post(f"/console/v1/{path}", content=bad, headers=PNG)
    if kind is not None:
        problem(answer, 403, kind)
        return
    assert answer.status_code == 200
    assert service_of(taught).store.inspections.get(answer.json()["id"]).actor == id


def test_another_site_may_not_send_to_the_routes_below_the_console_even_with_the_cookie(
    taught: TestClient, bad: bytes
) -> None:
    text, _ = new_key(taught)
    sign_in(taught, text)
    for origin in ("https://evil.example", "null"):
        told = taught.post("/console/v1/banks/caps/inspect", content=bad, headers=PNG | {"Origin": origin})
        problem(told, 403, "foreign-origin")
    assert taught.get("/console/v1/inspections/export?format=jsonl").text == ""


def test_only_the_routes_that_pages_use_are_below_the_console(console: TestClient) -> None:
    for path in ("keys", "banks", "jobs"):
        assert console.get(f"/console/v1/{path}").status_code == 404
        assert console.post(f"/console/v1/{path}", json={"id": "x"}).status_code == 404


def test_pictures_and_bundles_are_not_compressed_again(taught: TestClient, bad: bytes) -> None:
    id = taught.post("/v1/banks/caps/inspect", content=bad, headers=PNG).json()["id"]
    bundle = taught.get("/console/v1/banks/caps/versions/1/bundle")
    photo = taught.get(f"/console/media/inspections/{id}/photo")
    assert int(bundle.headers["content-length"]) == len(bundle.content)
    assert bundle.headers["content-disposition"] == 'attachment; filename="caps-1.bank"'
    for answer in (bundle, photo):
        assert answer.status_code == 200
        assert "content-encoding" not in answer.headers
        assert "immutable" in answer.headers["cache-control"]


# The application


def test_applications_of_one_process_serve_the_console_in_turn_and_never_at_once(
    settings: Settings, backbone: Backbone
) -> None:
    chosen = settings.model_copy(update={"console": True})
    for _ in range(2):
        with TestClient(
            create_app(chosen, backbone, worker=False), "http://127.0.0.1", client=("127.0.0.1", 1)
        ) as one:
            assert one.get("/console/", headers=HTML).status_code == 200
            with pytest.raises(StartRefused), TestClient(create_app(chosen, backbone, worker=False)):
                pass


def test_pages_may_run_scripts_and_the_api_may_not(console: TestClient) -> None:
    assert console.get("/console/", headers=HTML).headers["content-security-policy"] == PAGE_POLICY
    assert console.get("/v1/banks").headers["content-security-policy"] == API_POLICY
    assert (
        console.get("/console/", headers=HTML).headers["referrer-policy"] == "same-origin"
    )  # else Origin is null
    assert "http:" not in PAGE_POLICY
    assert "ws" not in PAGE_POLICY


def test_every_address_in_a_page_is_this_server(console: TestClient) -> None:
    for path in ("/console/", "/console/sign-in", "/console/static/console.css"):
        text = console.get(path, headers=HTML).text
        assert [
            found for found in ADDRESS.findall(text) if "www.w3.org" not in found and "127.0.0.1" not in found
        ] == []


def test_assets_are_kept_by_browsers_and_pages_are_not(console: TestClient) -> None:
    page = console.get("/console/", headers=HTML)
    assert page.headers["cache-control"] == "no-store"
    (style,) = re.findall(r'href="(/console/static/console.css[^"]*)"', page.text)
    assert "immutable" in console.get(style).headers["cache-control"]
    (socket,) = re.findall(r'src="(/console/_nicegui/[^"]*socket.io[^"]*)"', page.text)
    first, again = console.get(socket), console.get(socket)
    assert "immutable" in first.headers["cache-control"]
    assert (again.content, again.headers["content-encoding"]) == (
        first.content,
        first.headers["content-encoding"],
    )
    plain = console.get(socket, headers={"Accept-Encoding": "identity"})
    assert "content-encoding" not in plain.headers
    assert plain.content == first.content


def test_unknown_addresses_are_kept_nowhere(console: TestClient) -> None:
    for _ in range(2):
        assert console.get("/console/static/none.css?v=1").status_code == 404
