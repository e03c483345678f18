"""One unit of a Modbus sink: what it shows, what a client may read of it, and the handshake of its results."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from app.errors import EventHeld
from app.events import Event
from app.events import modbus_map as at
from app.events.results import Result

if TYPE_CHECKING:
    from pymodbus.simulator import SimDevice

ACKNOWLEDGE_SECONDS = 0.1  # that a result waits to be acknowledged before other work has its turn
ONE, SEVERAL = 6, 16  # function codes that write registers
WRITES = (5, ONE, 15, SEVERAL)


class BankUnit:
    """What one unit shows. Lives on the server's loop; a request sees a result whole, as none runs beside another."""

    def __init__(self, number: int, scale: int, acknowledge: bool) -> None:
        """acknowledge: whether the controller must acknowledge each result."""
        self.number, self._scale, self._acknowledges = number, scale, acknowledge
        self.bits, self.registers = [False] * at.COILS, [0] * at.REGISTERS
        self.bits[at.FAULT] = True
        self.shown: str | None = None
        self._acknowledged = asyncio.Event()

    def state(self, ready: bool, beat: int) -> None:
        """Of this second."""
        self.bits[at.READY], self.bits[at.FAULT] = ready, not ready
        self.registers[at.HEARTBEAT] = beat

    async def show(self, event: Event) -> None:
        """Raises EventHeld where the one that is shown is not acknowledged, EventRefused."""
        if self.shown != event.id:
            if self.bits[at.UNACKNOWLEDGED]:
                await self._wait()
            result = Result.of(event)
            sequence = self.registers[at.SEQUENCE] % 0xFFFF + 1
            at.show(self.bits, self.registers, result, sequence, self._scale)
            self.shown = event.id
            self._acknowledged.clear()
            self.bits[at.UNACKNOWLEDGED] = self._acknowledges
        if self.bits[at.UNACKNOWLEDGED]:
            await self._wait()

    def sample(self) -> None:
        """Count it; no result is touched."""
        self.registers[at.SAMPLES] = (self.registers[at.SAMPLES] + 1) % 0x10000

    async def answer(
        self, function: int, _start: int, address: int, count: int, held: list[int], values: Any
    ) -> Any:
        """A request of a client, as pymodbus asks: fills in what is read, refuses what may not be written."""
        from pymodbus.constants import ExcCodes

        if values is not None:
            right = function in (ONE, SEVERAL) and address == at.ACKNOWLEDGE and self._acknowledges
            if not right:
                return ExcCodes.ILLEGAL_ADDRESS if function in WRITES else ExcCodes.ILLEGAL_FUNCTION
            if values[0] != self.registers[at.SEQUENCE]:
                return ExcCodes.ILLEGAL_VALUE
            self.registers[at.ACKNOWLEDGE] = values[0]
            self.bits[at.UNACKNOWLEDGED] = False
            self._acknowledged.set()
        if function in (1, 2):
            held[0] = _packed(self.bits)
        else:
            held[: at.REGISTERS] = self.registers
        return None

    async def _wait(self) -> None:
        try:
            async with asyncio.timeout(ACKNOWLEDGE_SECONDS):
                await self._acknowledged.wait()
        except TimeoutError:
            sequence = self.registers[at.SEQUENCE]
            raise EventHeld(
                requirement=f"the controller must acknowledge result {sequence} of unit {self.number}",
                received="no acknowledgement yet",
                remedy=f"Have it write {sequence} to the holding register {at.ACKNOWLEDGE}; the next result waits.",
            ) from None


def device_of(unit: BankUnit) -> SimDevice:
    """As pymodbus keeps one: ``BankUnit.answer`` fills its blocks at each request."""
    from pymodbus.simulator import DataType, SimData, SimDevice

    def bits() -> list[SimData]:
        return [SimData(0, values=[False] * at.COILS, datatype=DataType.BITS)]

    def registers() -> list[SimData]:
        return [SimData(0, count=at.REGISTERS, datatype=DataType.REGISTERS)]

    return SimDevice(unit.number, (bits(), bits(), registers(), registers()), action=unit.answer)


def nobody() -> SimDevice:
    """Answers for units that no bank has: no such device."""
    from pymodbus.constants import ExcCodes
    from pymodbus.simulator import DataType, SimData, SimDevice

    async def refuse(*_: Any) -> ExcCodes:
        return ExcCodes.GATEWAY_NO_RESPONSE

    everything = [SimData(0, count=65536, datatype=DataType.REGISTERS)]
    return SimDevice(0, everything, action=refuse)


def _packed(bits: Sequence[bool]) -> int:
    return sum(bit << place for place, bit in enumerate(bits))
