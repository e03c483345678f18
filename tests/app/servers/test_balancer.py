"""docker/nginx.conf, by Debian's nginx, before two real servers: a bank moves only where its server dies."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from live_server import live_server
from service_kit import wait_until
from services.debian import find_nginx
from services.nginx import nginx_of
from services.processes import free_port

CONFIG = Path(__file__).resolve().parents[3] / "docker" / "nginx.conf"
KEY = "nominal_0123456789ab_" + "k" * 43
BANKS = [f"bank-{i}" for i in range(24)]


@dataclass(frozen=True)
class Balanced:
    """Two servers behind a balancer; ``second`` ends the second one."""

    url: str
    servers: list[str]
    log: Path
    second: ExitStack

    def asked(self, client: httpx.Client, path: str) -> str:
        """Which server answered."""
        before = len(self.log.read_text().splitlines())
        assert client.get(path).status_code == 200
        wait_until(lambda: len(self.log.read_text().splitlines()) > before)  # it is written after the answer
        line = self.log.read_text().splitlines()[before]
        return re.findall(r"upstream=(?:\S+, )?(\S+) ", line)[0]


@pytest.fixture
def balanced(tmp_path: Path) -> Iterator[Balanced]:
    program = find_nginx()
    if program is None:
        pytest.skip("nginx is not installed; make test-services installs Debian's")
    with ExitStack() as stack:
        (tmp_path / "keys").write_text(f"admin plant {KEY}\n")
        settings = {"keys_file": tmp_path / "keys"}
        first = stack.enter_context(live_server(tmp_path / "data", **settings))
        second = stack.enter_context(ExitStack())
        other = second.enter_context(live_server(tmp_path / "data", **settings))
        servers = [live.url.removeprefix("http://") for live in (first, other)]
        port, log = free_port(), tmp_path / "access.log"
        site = CONFIG.read_text(encoding="utf-8")
        for ours, theirs in (
            ("server nominal:8000", f"server {servers[0]}"),
            ("server nominal-2:8000", f"server {servers[1]}"),
            ("listen 8080", f"listen 127.0.0.1:{port}"),
            ("/dev/stdout", str(log)),
        ):
            assert ours in site
            site = site.replace(ours, theirs)
        url = stack.enter_context(nginx_of(program, tmp_path, port, site))
        yield Balanced(url, servers, log, second)


def test_a_bank_stays_with_its_server_and_only_those_of_a_lost_one_move(balanced: Balanced) -> None:
    headers = {"Authorization": f"Bearer {KEY}"}
    with httpx.Client(base_url=balanced.url, headers=headers, timeout=30) as client:
        for bank in BANKS:
            assert client.post("/v1/banks", json={"id": bank}).status_code == 201
        homes = {bank: balanced.asked(client, f"/v1/banks/{bank}") for bank in BANKS}
        assert set(homes.values()) == set(balanced.servers)
        assert {bank: balanced.asked(client, f"/v1/banks/{bank}/images") for bank in BANKS} == homes
        assert balanced.asked(client, "/v2/models/bank-3") == homes["bank-3"]
        balanced.second.close()
        moved = {bank: balanced.asked(client, f"/v1/banks/{bank}") for bank in BANKS}  # none is refused
        assert set(moved.values()) == {balanced.servers[0]}
        made = client.post(
            "/v1/banks/bank-1/images", content=b"no image", headers={"Content-Type": "image/png"}
        )
        assert made.status_code != 502  # a change finds the living server too
