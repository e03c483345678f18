"""Modbus against pymodbus's own client: the map, the handshake, the heartbeat, and what is refused by name."""

from __future__ import annotations

import asyncio
import math
import socket
import struct
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from controllers import INSPECTION, coils, decided, free_port, modbus_client, registers
from event_kit import impatient
from pydantic import ValidationError
from pymodbus.constants import ExcCodes
from service_kit import wait_until

from app.errors import EventHeld, EventRefused, SinkCannotListen
from app.events import Event, Host, hosting, managing
from app.events import modbus_map as at
from app.events.modbus import Modbus, ModbusTarget
from app.events.relay import Relay
from app.settings import Settings
from app.store.store import Store

SAMPLE = Event("1.sample", "sample", "sample", "{}")


@contextmanager
def listening(host: Host | None = None, **given: Any) -> Iterator[tuple[Modbus, int]]:
    """(an open sink with the unit 3 of the bank caps, its port)."""
    port = free_port()
    target = ModbusTarget.model_validate({"kind": "modbus", "port": port, "units": {"caps": 3}, **given})
    made = Modbus(target, host or Host(Settings(), banks=lambda: {"caps": True}))
    asyncio.run(made.open())
    try:
        yield made, port
    finally:
        asyncio.run(made.close())


def sent(made: Modbus, event: Event) -> None:
    asyncio.run(made.send(event))


def test_a_result_is_in_the_places_that_the_map_says() -> None:
    with listening() as (made, port), modbus_client(port) as plc:
        before = registers(plc, 3)
        assert before[at.SEQUENCE] == before[at.DECISION] == 0
        sent(made, decided())
        said = registers(plc, 3)
        assert said[at.SEQUENCE : at.REJECT_THRESHOLD + 1] == [1, 3, 912, at.NOTHING, 400]
        raw = struct.pack(f">{len(said)}H", *said)
        score, review, reject, milliseconds = struct.unpack_from(">3fQ", raw, 2 * at.FLOATS)
        assert (round(score, 3), math.isnan(review), reject) == (9.123, True, 4.0)
        assert milliseconds == 1_796_071_886_136
        assert raw[2 * at.INSPECTION :][:16].hex() == decided().id.partition(".")[0].replace("-", "")
        assert raw[2 * at.SERIAL :].startswith(b"A-17\0")
        assert said[at.VERSION] == 3
        assert coils(plc, 3)[: at.UNACKNOWLEDGED + 1] == [False, True, False, True, False, False]
        inputs = plc.read_input_registers(0, count=at.REGISTERS, device_id=3).registers
        assert inputs[: at.HEARTBEAT] == said[: at.HEARTBEAT]
        assert plc.read_discrete_inputs(0, count=at.COILS, device_id=3).bits == coils(plc, 3)
        sent(made, decided(2, decision="accept", score=1e9, serial=None))
        said = registers(plc, 3)
        assert said[at.SEQUENCE : at.SCORE + 1] == [2, 1, at.NOTHING]
        assert coils(plc, 3)[:3] == [True, False, False]
        sent(made, SAMPLE)
        assert registers(plc, 3)[at.SEQUENCE] == 2
        assert registers(plc, 3)[at.SAMPLES] == 1


def test_every_write_and_every_other_unit_is_refused() -> None:
    with listening() as (made, port), modbus_client(port) as plc:
        sent(made, decided())
        before = registers(plc, 3)[: at.HEARTBEAT]
        address = ExcCodes.ILLEGAL_ADDRESS
        assert plc.write_coil(0, True, device_id=3).exception_code == address
        assert plc.write_coils(0, [True] * 16, device_id=3).exception_code == address
        assert plc.write_register(0, 7, device_id=3).exception_code == address
        assert plc.write_register(at.ACKNOWLEDGE, 1, device_id=3).exception_code == address
        assert plc.write_registers(0, [7] * at.REGISTERS, device_id=3).exception_code == address
        assert plc.mask_write_register(address=0, device_id=3).exception_code == ExcCodes.ILLEGAL_FUNCTION
        assert plc.read_holding_registers(at.REGISTERS, count=9, device_id=3).exception_code == address
        assert plc.read_coils(0, count=1, device_id=4).exception_code == ExcCodes.GATEWAY_NO_RESPONSE
        assert registers(plc, 3)[: at.HEARTBEAT] == before
        with pytest.raises(EventRefused, match="must have a unit for each bank"):
            sent(made, decided(bank="lids"))


def test_with_the_handshake_the_next_result_waits_and_the_sequence_number_must_be_the_one_shown() -> None:
    with listening(acknowledge=True) as (made, port), modbus_client(port) as plc:
        for _ in range(2):  # sent again, the same result stays the same
            with pytest.raises(EventHeld, match="acknowledge result 1 of unit 3"):
                sent(made, decided(1))
        with pytest.raises(EventHeld, match="acknowledge result 1"):
            sent(made, decided(2))
        assert registers(plc, 3)[at.SEQUENCE] == 1
        assert coils(plc, 3)[at.UNACKNOWLEDGED]
        assert plc.write_register(at.ACKNOWLEDGE, 2, device_id=3).exception_code == ExcCodes.ILLEGAL_VALUE
        assert not plc.write_register(at.ACKNOWLEDGE, 1, device_id=3).isError()
        assert not coils(plc, 3)[at.UNACKNOWLEDGED]
        sent(made, decided(1))
        with pytest.raises(EventHeld, match="acknowledge result 2"):
            sent(made, decided(2))
        assert registers(plc, 3)[at.SEQUENCE] == 2
        assert registers(plc, 3)[at.ACKNOWLEDGE] == 1


def test_the_heartbeat_stops_and_the_fault_coil_is_set_where_the_server_or_the_bank_cannot_decide(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(hosting, "BEAT_SECONDS", 0.02)
    healthy, serves = [True], [True]
    host = Host(Settings(), lambda: healthy[0], lambda: {"caps": serves[0]})
    with listening(host) as (_, port), modbus_client(port) as plc:

        def now() -> tuple[int, bool, bool]:
            bits = coils(plc, 3)
            return registers(plc, 3)[at.HEARTBEAT], bits[at.READY], bits[at.FAULT]

        first = now()[0]
        wait_until(lambda: now()[0] > first)
        assert now()[1:] == (True, False)
        serves[0] = False
        wait_until(lambda: now()[1:] == (False, True))
        serves[0] = True
        wait_until(lambda: now()[1:] == (True, False))
        healthy[0] = False
        wait_until(lambda: now()[1:] == (False, True))
        still = now()[0]
        wait_until(lambda: len([now() for _ in range(50)]) == 50)
        assert now()[0] == still


def test_a_controller_that_acknowledges_misses_nothing_and_holds_no_other_bank(
    store: Store, relay: Relay, inspected: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    impatient(monkeypatch)
    port = free_port()
    said = {"kind": "modbus", "port": port, "units": {"caps": 1, "lids": 2}, "acknowledge": True}
    row, _ = managing.create(relay, "plc", managing.target_of(said), actor="test")
    assert row.banks == ["caps", "lids"]
    inspected("others")
    seen: dict[int, list[str]] = {1: [], 2: []}
    ids = {1: [inspected("caps") for _ in range(12)], 2: [inspected("lids") for _ in range(12)]}
    wait_until(lambda: asyncio.run(relay.sample(row)) < 5)
    with modbus_client(port) as plc:

        def scan(unit: int) -> None:
            words = registers(plc, unit)
            if words[at.SEQUENCE] != words[at.ACKNOWLEDGE]:
                seen[unit].append(struct.pack(">8H", *words[at.INSPECTION : at.SERIAL]).hex())
                plc.write_register(at.ACKNOWLEDGE, words[at.SEQUENCE], device_id=unit)

        def scanned(unit: int) -> bool:
            scan(unit)
            return len(seen[unit]) == 12

        wait_until(lambda: scanned(2))
        assert seen[1] == []
        wait_until(lambda: "acknowledge result 1 of unit 1" in (store.sinks.get("plc").error or ""))
        wait_until(lambda: scanned(1))
        wait_until(lambda: store.outbox.depths() == {})
    for unit, wanted in ids.items():
        assert seen[unit] == [id.partition(".")[0].replace("-", "") for id in wanted]
    assert store.sinks.get("plc").error is None


def test_a_port_that_is_taken_is_said_by_name_and_the_sink_recovers(
    store: Store, relay: Relay, inspected: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    impatient(monkeypatch)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        said = {"kind": "modbus", "port": port, "units": {"caps": 1}}
        row, _ = managing.create(relay, "plc", managing.target_of(said), actor="test")
        wait_until(lambda: "already in use" in (store.sinks.get("plc").error or ""))
        with pytest.raises(SinkCannotListen, match=f"port {port} must be free"):
            asyncio.run(relay.sample(row))
        inspected()
    wait_until(lambda: store.outbox.depths() == {})
    assert store.sinks.get("plc").error is None
    managing.change(relay, "plc", {"enabled": False}, actor="test")
    row = store.sinks.get("plc")
    wait_until(lambda: store.sinks.get("plc").owner is None)
    assert asyncio.run(relay.sample(row)) < 5


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"units": {}}, "at least 1"), ({"units": {"a": 1, "b": 1}}, "a unit of its own"),
        ({"units": {"a": 248}}, "less than or equal to 247"), ({"address": "plc.local"}, "IP address"),
        ({"port": 0}, "greater than or equal to 1"), ({"scale": 0}, "greater than or equal to 1"),
    ],
)  # fmt: skip
def test_what_is_no_target_is_refused(given: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        ModbusTarget.model_validate({"kind": "modbus", "units": {"caps": 1}, **given})


def test_an_address_of_another_machine_is_said_by_name() -> None:
    target = ModbusTarget(kind="modbus", address="192.0.2.1", port=free_port(), units={"caps": 1})
    with pytest.raises(SinkCannotListen, match="Give an address of the server"):
        asyncio.run(Modbus(target, Host(Settings())).open())


def test_an_envelope_that_holds_no_decision_is_refused() -> None:
    with listening() as (made, _), pytest.raises(EventRefused, match="must hold the inspection"):
        sent(made, decided()._replace(body='{"data": {"inspection": "' + INSPECTION + '"}}'))
