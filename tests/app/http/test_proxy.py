"""Behind a proxy: what a trusted one says of a request counts, what others say does not; nginx as the guide has it."""

from __future__ import annotations

import re
from pathlib import Path

import httpx
import pytest
from live_server import live_server
from services.debian import find_nginx
from services.nginx import nginx
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.testclient import TestClient
from starlette.types import Receive, Scope, Send
from websockets.sync.client import connect

from app.http.proxy import BehindProxy

GUIDE = Path(__file__).resolve().parents[3] / "docs" / "operations.md"
KEY = "nominal_0123456789ab_" + "k" * 43


async def told(scope: Scope, receive: Receive, send: Send) -> None:
    request = Request(scope)
    said = [scope["root_path"], scope["path"], scope["scheme"], request.client.host if request.client else ""]
    await JSONResponse(said)(scope, receive, send)


def asked(path: str, headers: dict[str, str], peer: str = "10.0.0.9", root: str = "") -> httpx.Response:
    proxied = BehindProxy(told, root, trusted="10.0.0.0/8")
    return TestClient(proxied, client=(peer, 1)).get(path, headers=headers)


@pytest.mark.parametrize("path", ["/livez", "/nominal/livez"], ids=["stripped", "kept"])
def test_the_path_of_a_trusted_proxy_is_taken_whether_it_strips_it_or_not(path: str) -> None:
    given = {"X-Forwarded-Prefix": "/nominal/", "X-Forwarded-Proto": "https", "X-Forwarded-For": "192.0.2.7"}
    assert asked(path, given).json() == ["/nominal", "/nominal/livez", "https", "192.0.2.7"]


def test_what_others_say_of_a_path_counts_for_nothing() -> None:
    given = {"X-Forwarded-Prefix": "/evil", "X-Forwarded-Proto": "https", "X-Forwarded-For": "192.0.2.7"}
    assert asked("/livez", given, peer="192.0.2.1").json() == ["", "/livez", "http", "192.0.2.1"]


def test_a_proxys_path_goes_over_the_servers_setting() -> None:
    assert asked("/livez", {}, root="/set").json()[:2] == ["/set", "/set/livez"]
    assert asked("/livez", {"X-Forwarded-Prefix": "/said"}, root="/set").json()[:2] == [
        "/said",
        "/said/livez",
    ]
    assert asked("/livez", {"X-Forwarded-Prefix": "/"}, root="/set").json()[:2] == ["", "/livez"]


@pytest.mark.parametrize(
    "prefix", ["nominal", "//x.example", "/a, /b", "/a b", "/v1", "/console/x", "https://x/"]
)
def test_a_path_that_cannot_be_is_refused_and_named(prefix: str) -> None:
    answer = asked("/livez", {"X-Forwarded-Prefix": prefix})
    assert answer.status_code == 422
    assert "X-Forwarded-Prefix" in answer.json()["detail"]


@pytest.mark.parametrize("strips", [True, False], ids=["stripped", "kept"])
def test_nginx_as_the_guide_has_it_shows_the_server_under_a_path(strips: bool, tmp_path: Path) -> None:
    program = find_nginx()
    if program is None:
        pytest.skip("nginx is not installed; make test-services installs Debian's")
    (block,) = re.findall(r"```nginx\n(.*?)```", GUIDE.read_text(encoding="utf-8"), re.DOTALL)
    (tmp_path / "keys").write_text(f"admin plant {KEY}\n")
    with live_server(tmp_path / "data", console=True, keys_file=tmp_path / "keys") as live:
        target = live.url + "/" * strips
        with nginx(program, tmp_path, block.replace("http://127.0.0.1:8000/", target)) as proxy:
            _use(f"{proxy}/nominal", proxy)


def _use(url: str, origin: str) -> None:
    with httpx.Client(headers={"Authorization": f"Bearer {KEY}"}, follow_redirects=False) as client:
        made = client.post(f"{url}/v1/banks", json={"id": "caps"})
        assert (made.status_code, made.headers["Location"]) == (201, "/nominal/v1/banks/caps")
        assert client.get(f"{origin}{made.headers['Location']}").json()["id"] == "caps"
        assert client.get(f"{url}/openapi.json").json()["servers"] == [{"url": "/nominal"}]
    with httpx.Client(follow_redirects=True) as browser:
        page = browser.get(f"{url}/console/", headers={"Accept": "text/html"})
        assert str(page.url).startswith(f"{url}/console/sign-in")
        page = browser.post(
            f"{url}/console/sign-in", data={"key": KEY, "next": "/"}, headers={"Origin": origin}
        )
        assert (page.status_code, str(page.url)) == (200, f"{url}/console/")
        addresses = set(re.findall(r'(?:href|src)="(/[^"]+)"', page.text))
        assert addresses
        assert all(each.startswith("/nominal/") for each in addresses)
        assert [each for each in addresses if browser.get(origin + each).status_code != 200] == []
        cookie = "; ".join(f"{name}={value}" for name, value in browser.cookies.items())
    socket = f"{url}/console/_nicegui_ws/socket.io/?EIO=4&transport=websocket&client_id=none".replace(
        "http", "ws", 1
    )
    with connect(socket, origin=origin, additional_headers={"Cookie": cookie}) as opened:  # type: ignore[arg-type]
        assert str(opened.recv(timeout=10)).startswith("0{")  # engine.io's greeting
