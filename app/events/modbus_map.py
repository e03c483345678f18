"""The register map of one bank, as docs/events.md prints it: coils and registers of a Modbus unit.

Coils and discrete inputs hold the same bits, holding and input registers the same words. A number of several words has
its high word first; a text has two characters a word.
"""

from __future__ import annotations

import math
import struct

from app.events.results import Result

ACCEPT, REJECT, REVIEW, READY, FAULT, UNACKNOWLEDGED = range(6)  # coils
COILS = 16
SEQUENCE, DECISION, SCORE, REVIEW_THRESHOLD, REJECT_THRESHOLD, HEARTBEAT, SAMPLES, VERSION = range(8)
FLOATS = 8  # score, review threshold, reject threshold, as 32-bit floats
TIME = 14  # milliseconds since 1970, 64 bits
INSPECTION = 18  # its UUID, 16 bytes
SERIAL, SERIAL_WORDS = 26, 16
ACKNOWLEDGE = 48  # the only one that a client may write
REGISTERS = 49
NOTHING = 0xFFFF  # in place of a scaled number that is none or too large


def scaled(value: float, scale: int) -> int:
    """Rounded to the nearest; ``NOTHING`` for NaN and for what has no room."""
    if math.isnan(value):
        return NOTHING
    return NOTHING if value * scale >= NOTHING else max(0, round(value * scale))


def words(data: bytes) -> list[int]:
    """Of an even number of bytes, high byte first."""
    return [*struct.unpack(f">{len(data) // 2}H", data)]


def show(bits: list[bool], registers: list[int], result: Result, sequence: int, scale: int) -> None:
    """Put a result in its places; what is no part of it stays."""
    bits[ACCEPT], bits[REJECT], bits[REVIEW] = (
        result.decision == each for each in ("accept", "reject", "review")
    )
    numbers = result.score, result.review_threshold, result.reject_threshold
    text = result.serial.encode("ascii", "replace")[: 2 * SERIAL_WORDS].ljust(2 * SERIAL_WORDS, b"\0")
    milliseconds = int(result.at.timestamp() * 1000)
    registers[SEQUENCE : SEQUENCE + 2] = [sequence, result.code]
    registers[SCORE : SCORE + 3] = [scaled(number, scale) for number in numbers]
    registers[VERSION] = min(result.version, NOTHING)
    registers[FLOATS:SERIAL] = words(struct.pack(">3fQ", *numbers, milliseconds) + result.id)
    registers[SERIAL : SERIAL + SERIAL_WORDS] = words(text)
