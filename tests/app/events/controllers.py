"""What tests of controllers share: a free port, a decision's event, a Modbus client that reads a unit whole."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from pymodbus.client import ModbusTcpClient

from app.events import Event
from app.events import modbus_map as at

INSPECTION = "01939d2e-8a1b-7abc-8def-0123456789ab"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def decided(number: int = 1, bank: str = "caps", **data: Any) -> Event:
    """A decision's event; its inspection's id ends with the number."""
    inspection = f"{INSPECTION[:-4]}{number:04x}"
    said = {
        "inspection": inspection, "bank": bank, "decision": "reject", "serial": "A-17", "station": "left",
        "score": 9.123, "version": 3, "thresholds": {"review": None, "reject": 4.0}, **data,
    }  # fmt: skip
    body = json.dumps({"id": f"{inspection}.decided", "time": "2026-11-30T20:51:26.136213Z", "data": said})
    return Event(f"{inspection}.decided", "decided", bank, body)


@contextmanager
def modbus_client(port: int) -> Iterator[ModbusTcpClient]:
    client = ModbusTcpClient("127.0.0.1", port=port, timeout=5, retries=0)
    assert client.connect()
    try:
        yield client
    finally:
        client.close()


def registers(client: ModbusTcpClient, unit: int) -> list[int]:
    """All, in one request."""
    answer = client.read_holding_registers(0, count=at.REGISTERS, device_id=unit)
    assert not answer.isError(), answer
    return answer.registers


def coils(client: ModbusTcpClient, unit: int) -> list[bool]:
    answer = client.read_coils(0, count=at.COILS, device_id=unit)
    assert not answer.isError(), answer
    return answer.bits
