"""Webhooks against real receivers: signed, acknowledged, refused by name; the addresses that they may reach."""

from __future__ import annotations

import asyncio
import ipaddress
import json
import socket
import ssl
import threading
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from certificates import Authority
from event_kit import LOOPBACK, Receiver, reply
from pydantic import ValidationError
from standardwebhooks import Webhook as Verifier
from standardwebhooks import WebhookVerificationError

from app.errors import AppError, EventRefused, SinkUnreachable
from app.events import Event
from app.events.addresses import is_permitted, networks
from app.events.webhook import MOST_ANSWER, Webhook, WebhookTarget, new_secret
from app.settings import Settings, SettingsError, load_settings
from app.store.schema import SinkSecret

EVENT = Event("1.decided", "decided", "caps", '{"id":"1.decided"}')


def secret(text: str, ends: datetime | None = None) -> SinkSecret:
    return SinkSecret(id=text, sink="mes", text=text, expires_at=ends)


def send(url: str, keys: Sequence[SinkSecret] = (), event: Event = EVENT, **given: Any) -> None:
    """One event to an address, from where this machine is allowed."""
    allowed = given.pop("sink_addresses", LOOPBACK["sink_addresses"])
    sink = Webhook(
        WebhookTarget.model_validate({"kind": "webhook", "url": url, **given}),
        keys or [secret(new_secret())],
        Settings(sink_addresses=allowed),
    )

    async def sent() -> None:
        await sink.open()
        try:
            await sink.send(event)
        finally:
            await sink.close()

    asyncio.run(sent())


def refused(kind: type[AppError], said: str, url: str, **given: Any) -> None:
    """It fails so, and says that."""
    with pytest.raises(kind) as error:
        send(url, **given)
    assert said in str(error.value)
    assert error.value.remedy


def test_what_is_signed_is_verified_and_a_changed_body_is_not(receiver: Receiver) -> None:
    key = new_secret()
    send(receiver.url, [secret(key)])
    [(headers, body)] = receiver.came
    assert headers["webhook-id"] == EVENT.id
    assert headers["content-type"] == "application/cloudevents+json; charset=utf-8"
    assert Verifier(key).verify(body, headers) == json.loads(EVENT.body)
    with pytest.raises(WebhookVerificationError):
        Verifier(key).verify(body + b" ", headers)
    with pytest.raises(WebhookVerificationError):
        Verifier(new_secret()).verify(body, headers)


def test_while_a_secret_is_replaced_both_verify_and_afterwards_only_the_new_one(receiver: Receiver) -> None:
    new, old, now = new_secret(), new_secret(), datetime.now(UTC)
    send(receiver.url, [secret(new), secret(old, now + timedelta(minutes=1))])
    send(receiver.url, [secret(new), secret(old, now - timedelta(seconds=1))])
    (both, body), (later, _) = receiver.came
    for key in (new, old):
        Verifier(key).verify(body, both)
    Verifier(new).verify(body, later)
    with pytest.raises(WebhookVerificationError):
        Verifier(old).verify(body, later)


def test_a_redirect_is_refused_by_name_and_not_followed(receiver: Receiver) -> None:
    receiver.answer = lambda handler: reply(handler, 307, Location=receiver.url)
    refused(EventRefused, "a redirect (307)", receiver.url)
    assert len(receiver.came) == 1


@pytest.mark.parametrize(("status", "kind"), [(404, EventRefused), (410, EventRefused), (429, SinkUnreachable),
                                              (503, SinkUnreachable)])  # fmt: skip
def test_a_status_that_may_pass_is_no_fault_of_the_event(
    receiver: Receiver, status: int, kind: type[AppError]
) -> None:
    receiver.answer = lambda handler: reply(handler, status)
    refused(kind, f"status {status}", receiver.url)


def test_of_an_answer_without_end_little_is_read(receiver: Receiver) -> None:
    written = []

    def flood(handler: Any) -> None:
        handler.send_response(200)
        handler.send_header("Content-Length", str(10 << 20))
        handler.end_headers()
        for _ in range(160):
            written.append(handler.wfile.write(b"x" * (64 << 10)))

    receiver.answer = flood
    refused(EventRefused, "more than 64 KiB", receiver.url)
    assert sum(written) < (10 << 20)
    receiver.answer = lambda handler: reply(handler, 200, b"x" * MOST_ANSWER)
    send(receiver.url)


def test_a_receiver_that_hangs_or_drips_is_given_up_in_time(receiver: Receiver) -> None:
    hung = threading.Event()

    def drip(handler: Any) -> None:
        handler.send_response(200)
        handler.send_header("Content-Length", "1000")
        handler.end_headers()
        while not hung.wait(0.05):
            handler.wfile.write(b"x")

    for answer in (lambda handler: hung.wait(5), drip):
        receiver.answer = answer  # type: ignore[assignment]
        started = time.monotonic()
        refused(SinkUnreachable, "none within 0.3 s", receiver.url, timeout_seconds=0.3)
        assert time.monotonic() - started < 2
    hung.set()


def test_nobody_there_is_said_by_name() -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{probe.getsockname()[1]}/"
    refused(SinkUnreachable, "ConnectError", url)
    refused(SinkUnreachable, "The name no.invalid must resolve", "http://no.invalid/")


def test_a_private_address_is_refused_unless_a_setting_names_its_network(receiver: Receiver) -> None:
    refused(SinkUnreachable, "127.0.0.1", receiver.url, sink_addresses=["10.0.0.0/8"])
    refused(SinkUnreachable, "NOMINAL_SINK_ADDRESSES", receiver.url, sink_addresses=[])
    assert receiver.came == []


def test_a_name_leads_only_to_the_address_that_was_checked(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A resolver that says another address the second time (DNS rebinding) is not asked a second time."""
    answers = [[("127.0.0.1", receiver.port)], [("169.254.169.254", 80)]]

    def resolve(*_: Any, **__: Any) -> list[Any]:
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", address) for address in answers.pop(0)]

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    send(f"http://receiver.example:{receiver.port}/events")
    assert receiver.came[0][0]["host"] == f"receiver.example:{receiver.port}"
    refused(SinkUnreachable, "169.254.169.254", "http://receiver.example/")


@pytest.mark.parametrize(
    ("address", "permitted"),
    [
        ("93.184.216.34", True), ("2606:2800:220:1::1", True), ("64:ff9b::5db8:d822", True),
        ("127.0.0.1", False), ("10.1.2.3", False), ("192.168.0.9", False), ("169.254.169.254", False),
        ("100.64.0.1", False), ("0.0.0.0", False), ("224.0.0.1", False), ("::1", False), ("fe80::1", False),
        ("fd00::1", False), ("::ffff:127.0.0.1", False), ("64:ff9b::7f00:1", False), ("2002:7f00:1::", False),
        ("172.16.5.5", True), ("::ffff:172.16.5.5", True),
    ],
)  # fmt: skip
def test_only_public_addresses_and_named_networks_are_permitted(address: str, permitted: bool) -> None:
    allowed = networks(["172.16.5.0/24"])
    assert is_permitted(ipaddress.ip_address(address), allowed) is permitted


def test_the_receivers_certificate_must_be_of_its_name_and_of_an_authority_that_is_trusted(
    tmp_path: Path, tls: Callable[[Path, Path], tuple[str, list[bytes]]]
) -> None:
    own, other = Authority("own"), Authority("other")
    for name, trusted, said in (
        ("localhost", own, None),
        ("localhost", other, "CERTIFICATE_VERIFY_FAILED"),
        ("elsewhere.example", own, "CERTIFICATE_VERIFY_FAILED"),
    ):
        url, came = tls(*own.issued(name, tmp_path))
        if said is None:
            send(url, ca=trusted.pem)
        else:
            refused(SinkUnreachable, said, url, ca=trusted.pem)
        assert bool(came) is (said is None)


@pytest.fixture
def tls() -> Any:
    """Serves one request over TLS on localhost, by a certificate and its key."""
    threads: list[threading.Thread] = []

    def serve(certificate: Path, key: Path) -> tuple[str, list[bytes]]:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, key)
        listening, came = socket.create_server(("127.0.0.1", 0)), list[bytes]()

        def once() -> None:
            with listening:
                try:
                    with listening.accept()[0] as raw, context.wrap_socket(raw, server_side=True) as peer:
                        request = b""
                        while not request.endswith(
                            EVENT.body.encode()
                        ):  # the body may come after the headers
                            request += (more := peer.recv(65536))
                            if not more:
                                return
                        came.append(request)
                        peer.sendall(b"HTTP/1.1 204 No Content\r\n\r\n")
                except OSError:
                    pass  # it would not have this certificate

        threads.append(threading.Thread(target=once))
        threads[-1].start()
        return f"https://localhost:{listening.getsockname()[1]}/", came

    yield serve
    for thread in threads:
        thread.join(10)


@pytest.mark.parametrize("url", ["ftp://x/", "http:///x", "https://user:word@x/", "https://x/#part", "x", ""])
def test_what_is_no_address_is_refused(url: str) -> None:
    with pytest.raises(ValidationError, match="http or https address"):
        WebhookTarget.model_validate({"kind": "webhook", "url": url})


def test_what_is_no_certificate_is_refused() -> None:
    with pytest.raises(ValidationError, match="certificates as PEM"):
        WebhookTarget.model_validate({"kind": "webhook", "url": "https://x/", "ca": "no"})


def test_a_setting_that_names_no_network_is_refused() -> None:
    with pytest.raises(SettingsError, match=r"10\.0\.0\.1/8"):
        load_settings({}, sink_addresses=["10.0.0.1/8"])
