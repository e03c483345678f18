"""OPC UA against asyncua's own client: values, the event of a result, who is let in, and what is refused."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from asyncua import Client, ua
from asyncua.common.utils import ServiceError
from asyncua.crypto.cert_gen import setup_self_signed_certificate
from certificates import Authority
from controllers import decided, free_port
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID
from event_kit import impatient
from pydantic import ValidationError
from service_kit import wait_until

from app.errors import SinkUnreachable
from app.events import Event, Host, managing
from app.events.opcua import OpcUa, OpcUaTarget
from app.events.opcua_server import Clients
from app.events.opcua_space import NAMESPACE
from app.events.relay import Relay
from app.settings import Settings
from app.store.envelopes import sample
from app.store.ids import new_id
from app.store.schema import SinkSecret
from app.store.store import Store

URI = "urn:test:client"
logging.getLogger("asyncua").setLevel(logging.CRITICAL)


class Heard:
    """What a subscription is told."""

    def __init__(self) -> None:
        self.events: list[Any] = []

    def event_notification(self, event: Any) -> None:
        self.events.append(event)


class Peer:
    """A client that has signed in: reads values of a bank, hears the events of all."""

    def __init__(self, client: Client, index: int, heard: Heard) -> None:
        self.client, self._index, self.heard = client, index, heard

    async def read(self, bank: str, *names: str) -> list[Any]:
        paths = [f"ns={self._index};s=Nominal.{bank}.{name}" for name in names]
        return [await self.client.get_node(path).read_value() for path in paths]

    async def hears(self, count: int) -> list[Any]:
        async with asyncio.timeout(20):
            while len(self.heard.events) < count:
                await asyncio.sleep(0.01)
        return self.heard.events


@asynccontextmanager
async def connected(port: int, security: str | None, word: str | None = "secret") -> AsyncIterator[Peer]:
    """security: of the client, with its files; None has no security. word: the password; None is anonymous."""
    client = Client(f"opc.tcp://127.0.0.1:{port}/nominal", timeout=20)
    client.application_uri = URI
    if word is not None:
        client.set_user("plc")
        client.set_password(word)
    if security is not None:
        await client.set_security_string(security)
    async with client:
        index = await client.get_namespace_index(NAMESPACE)
        heard = Heard()
        subscription = await client.create_subscription(20, heard)
        for name in ("ResultReadyEventType", "NominalEventType"):
            kind = await client.nodes.base_event_type.get_child(f"{index}:{name}")
            await subscription.subscribe_events(client.nodes.server, kind)
        yield Peer(client, index, heard)


async def own_certificate(folder: Path) -> tuple[Path, Path]:
    """(a client's certificate as DER, its key as PEM)."""
    certificate, key = folder / "client.der", folder / "client.pem"
    use = [ExtendedKeyUsageOID.CLIENT_AUTH]
    await setup_self_signed_certificate(key, certificate, URI, "client", use, {})
    return certificate, key


def test_over_an_encrypted_channel_two_clients_see_values_and_events_and_nobody_else_gets_in(
    tmp_path: Path,
) -> None:
    port = free_port()
    host = Host(Settings(data_dir=tmp_path), banks=lambda: {"caps": True})
    target = OpcUaTarget(kind="opcua", port=port, username="plc")

    async def scene() -> None:
        certificate, key = await own_certificate(tmp_path)
        secured = f"Basic256Sha256,SignAndEncrypt,{certificate},{key}"
        sink = OpcUa(target, [SinkSecret(id="1", sink="line", text="secret")], "line", host)
        await sink.open()
        try:
            async with connected(port, secured) as one, connected(port, secured) as two:
                await sink.send(decided())
                for peer in (one, two):
                    await sees_the_result(peer)
                await is_told_of_others(sink, one)
                with pytest.raises(ua.UaStatusCodeError, match="BadUserAccessDenied"):
                    await one.client.get_node("ns=2;s=Nominal.caps.Score").write_value(0.0)
                assert await one.read("caps", "Score") == [9.123]
            for security, word in ((secured, "other"), (secured, None), (None, "secret"), (None, None)):
                with pytest.raises((ua.UaError, ConnectionError, TimeoutError)):
                    async with connected(port, security, word):
                        pass
        finally:
            await sink.close()

    asyncio.run(scene())
    assert (tmp_path / "opcua/line/key.pem").stat().st_mode & 0o777 == 0o600


async def sees_the_result(peer: Peer) -> None:
    names = (
        "Ready",
        "Decision",
        "DecisionCode",
        "Score",
        "RejectThreshold",
        "Serial",
        "Station",
        "InspectionId",
    )
    inspection = decided().id.partition(".")[0]
    assert await peer.read("caps", *names) == [
        True, "reject", 3, 9.123, 4.0, "A-17", "left", inspection,
    ]  # fmt: skip
    [event] = await peer.hears(1)
    assert (event.ResultId, event.PartId, event.ExternalRecipeId) == (inspection, "A-17", "caps")
    assert (event.IsSimulated, event.IsPartial, event.ResultState) == (False, False, 1)
    assert (event.Decision, event.Score, event.SourceName) == ("reject", 9.123, "caps")
    assert event.ResultContent == decided().body
    [at] = await peer.read("caps", "Time")
    assert at == event.CreationTime == event.Time


async def is_told_of_others(sink: OpcUa, peer: Peer) -> None:
    """Of a sample, which says that it is none; and of what is no decision."""
    made = sample("line", new_id(), datetime.now(UTC))
    await sink.send(Event(made.id, made.kind, made.bank, made.body()))
    await sink.send(Event("1", "unhealthy", "caps", '{"type": "nominal.bank.unhealthy"}'))
    _, simulated, other = await peer.hears(3)
    assert (simulated.IsSimulated, simulated.ResultState, simulated.SourceName) == (True, 0, "Nominal")
    assert (other.Kind, other.Bank) == ("unhealthy", "caps")
    assert "nominal.bank.unhealthy" in other.Envelope
    assert await peer.read("caps", "Decision") == ["reject"]


def test_a_relay_serves_what_was_recorded_to_anonymous_clients_where_the_sink_says_so(
    store: Store, relay: Relay, inspected: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    impatient(monkeypatch)
    port = free_port()
    said = {"kind": "opcua", "port": port, "security": "none", "anonymous": True}
    row, _ = managing.create(relay, "plc", managing.target_of(said), actor="test")
    wait_until(lambda: row.id in relay._couriers)
    assert asyncio.run(relay.sample(row)) > 0

    async def scene() -> list[str]:
        async with connected(port, None, None) as peer:
            ids = [inspected(serial=str(n)) for n in range(5)]
            assert [event.ResultId for event in await peer.hears(5)] == [id[:-8] for id in ids]
            return [event.PartId for event in peer.heard.events]

    assert asyncio.run(scene()) == ["0", "1", "2", "3", "4"]
    wait_until(lambda: store.outbox.depths() == {})


def test_only_certificates_that_are_given_or_signed_by_one_given_are_let_in(tmp_path: Path) -> None:
    trusted, other = Authority("own"), Authority("other")
    signed, strange = (
        x509.load_pem_x509_certificate(each.issued(name, tmp_path)[0].read_bytes())
        for each, name in ((trusted, "plc"), (other, "laptop"))
    )
    lets = Clients(trusted.pem), Clients(strange.public_bytes(Encoding.PEM).decode())
    asyncio.run(lets[0](signed, ua.ApplicationDescription()))
    asyncio.run(lets[1](strange, ua.ApplicationDescription()))
    for each, certificate in zip(lets, (strange, signed), strict=True):
        with pytest.raises(ServiceError):
            asyncio.run(each(certificate, ua.ApplicationDescription()))


def test_a_sink_whose_password_a_backup_has_not_says_so() -> None:
    sink = OpcUa(OpcUaTarget(kind="opcua", username="plc"), [], "plc", Host(Settings()))
    with pytest.raises(SinkUnreachable, match="Give the sink its password again"):
        asyncio.run(sink.open())


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({}, "must have a username"), ({"username": "a", "security": "weak"}, "'encrypt', 'sign' or 'none'"),
        ({"anonymous": True, "address": "::z"}, "IP address"), ({"anonymous": True, "clients": "x"}, "as PEM"),
    ],
)  # fmt: skip
def test_what_is_no_target_is_refused(given: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        OpcUaTarget.model_validate({"kind": "opcua", **given})
