"""Modbus TCP (Modbus Application Protocol 1.1b3): a server whose units show each bank's last result to a controller.

One unit is one bank (``modbus_unit.py``), its map in ``modbus_map.py``. Nothing may be written but the acknowledge
register, and that only where the handshake is asked for: then a result is delivered once the controller has written
its sequence number, and the next one is not shown before. pymodbus, of the extra ``modbus``, speaks the protocol.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field, field_validator

from app.errors import EventRefused, SinkKindUnavailable
from app.events import Event, Host, Target
from app.events.hosting import HostedServer, Listening
from app.events.modbus_unit import BankUnit, device_of, nobody
from app.store.schema import SinkSecret

if TYPE_CHECKING:
    from pymodbus.server import ModbusTcpServer

Unit = Annotated[int, Field(ge=1, le=247)]


class ModbusTarget(Target):
    """An address to listen on, and the unit of each bank."""

    kind: Literal["modbus"]
    address: Listening = "127.0.0.1"
    port: int = Field(502, ge=1, le=65535)
    units: Annotated[dict[str, Unit], Field(min_length=1, max_length=247)] = Field(
        description="The unit of each bank, 1 to 247; only these banks are shown."
    )
    scale: int = Field(
        100,
        ge=1,
        le=10_000,
        description="By which score and thresholds are multiplied in the 16-bit registers.",
    )
    acknowledge: bool = Field(
        False, description="Whether the controller must acknowledge a result before the next one is shown."
    )

    @field_validator("units")
    @classmethod
    def _are_distinct(cls, value: dict[str, int]) -> dict[str, int]:
        if len({*value.values()}) < len(value):
            raise ValueError("must give each bank a unit of its own")
        return value

    def banks(self) -> list[str] | None:
        """Those that there are units for."""
        return sorted(self.units)


class Modbus(HostedServer):
    """The server of a sink. Other kinds of events than ``decided`` only move the ready and fault coils."""

    def __init__(self, target: ModbusTarget, host: Host) -> None:
        super().__init__(target.address, target.port, host)
        self._target = target
        self._server: ModbusTcpServer | None = None
        self._units: dict[str, BankUnit] = {}

    async def _listen(self) -> None:
        try:
            from pymodbus.server import ModbusTcpServer
        except ImportError as error:
            raise SinkKindUnavailable(
                requirement="a Modbus sink needs the package pymodbus",
                received="an installation without it",
                remedy="Install it: pip install 'nominal-inspection[modbus]', and start the server again.",
            ) from error
        target = self._target
        self._units = {
            bank: BankUnit(unit, target.scale, target.acknowledge) for bank, unit in target.units.items()
        }
        devices = [nobody(), *map(device_of, self._units.values())]
        self._server = ModbusTcpServer(devices, address=(target.address, target.port))
        await self._server.serve_forever(background=True)

    async def _take(self, event: Event) -> None:
        if event.kind == "sample":
            for unit in self._units.values():
                unit.sample()
        elif event.kind == "decided":
            if event.bank not in self._units:
                raise EventRefused(
                    requirement="a Modbus sink must have a unit for each bank that it gets events of",
                    received=f"a decision of the bank {event.bank}, which has none",
                    remedy="Add the bank to the sink's units, or leave it out of the sink's banks.",
                )
            await self._units[event.bank].show(event)
        else:
            await self._look()

    async def _state(self, healthy: bool, beat: int, looked: bool) -> None:
        for bank, unit in self._units.items():
            unit.state(healthy and self._serving.get(bank, False), beat)

    async def _end(self) -> None:
        if self._server is not None:
            await self._server.shutdown()  # type: ignore[no-untyped-call]


def modbus(
    target: ModbusTarget, _secrets: Sequence[SinkSecret], _name: str, host: Host, _sample: bool
) -> Modbus:
    """As ``kinds.py`` makes it; Modbus knows no passwords."""
    return Modbus(target, host)
