"""A safetensors file with exactly one encoding of its content and a digest over it (docs/bank-format.md).

The writer is our own because safetensors' puts its metadata in another order each time. The reader is our own
because it must refuse duplicate keys, gaps and whatever else the writer does not write.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, NoReturn

import numpy as np

from core.errors import BankCorrupt, BankFormatTooNew, BankHostile

FORMAT = "nominal-bank"
VERSION = 4
"""The newest, whose headers list what they require; a bank is written in the oldest that can hold it."""
LARGEST_HEADER = 1 << 16  # bytes of JSON; a bank's is a few thousand
DTYPES: dict[str, np.dtype[Any]] = {
    "F64": np.dtype("<f8"),
    "F32": np.dtype("<f4"),
    "I32": np.dtype("<i4"),
    "U8": np.dtype("u1"),
}
_CODES = {dtype: code for code, dtype in DTYPES.items()}

Arrays = dict[str, np.ndarray]


@dataclass(frozen=True, eq=False)
class Container:
    """header: canonical JSON text; arrays: by name, of the dtypes in DTYPES; version: of the format, 1 to 4."""

    header: str
    arrays: Mapping[str, np.ndarray]
    version: int = 1


def canonical(value: Any) -> str:
    """The one JSON text of a value: keys sorted, no spaces, ASCII, no NaN, shortest floats."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)


def encode(container: Container) -> Iterator[bytes | memoryview]:
    """The file's bytes, in pieces: length, JSON, then each array."""
    container = replace(container, arrays=_ordered(container.arrays))
    yield _head(container, _digest(container))
    for array in container.arrays.values():
        yield array.reshape(-1).view(np.uint8).data


def decode(data: bytes) -> Container:
    """Read and prove a container; its arrays are read-only views of ``data``.

    Raises BankCorrupt where it is truncated, edited or no bank, BankFormatTooNew, and BankHostile for sizes
    that lie.
    """
    text, body = _split(data)
    table = strict_json(text)
    metadata = table.pop("__metadata__", None) if isinstance(table, dict) else None
    if not isinstance(metadata, dict) or metadata.get("format") != FORMAT:
        _corrupt(f"a bank must name its format {FORMAT}", "a file that does not")
    version = _version(metadata.get("version"))
    header = metadata.get("header")
    if set(metadata) != {"format", "version", "header", "sha256"}:
        _corrupt(
            "a bank's metadata must be format, version, header and sha256", ascii(sorted(metadata))[:120]
        )
    if not isinstance(header, str) or not header.isascii():
        _corrupt("a bank's header must be ASCII text", f"{type(header).__name__}")
    container = Container(header, _ordered(_views(table, data, body)), version)
    digest = _digest(container)
    if digest != metadata["sha256"]:
        _corrupt("a bank's content must have the sha256 it records", "content with another")
    if _head(container, digest) != data[:body]:
        _corrupt("a bank must be encoded in the one way its format allows", "another encoding")
    return container


def strict_json(text: bytes | str) -> Any:
    """Parse JSON without duplicate keys, NaN or depth that exhausts the stack; BankCorrupt otherwise."""
    try:
        return json.loads(text, object_pairs_hook=_unique, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        reason = "nesting too deep" if isinstance(error, RecursionError) else str(error)
        raise BankCorrupt("a bank's header must be plain JSON", reason[:120], _REMEDY) from None


def _ordered(arrays: Mapping[str, np.ndarray]) -> Arrays:
    """In file order: wider elements first, so that every array is aligned, then by name."""
    return {name: arrays[name] for name in sorted(arrays, key=lambda name: (-arrays[name].itemsize, name))}


def _head(container: Container, digest: str) -> bytes:
    table: dict[str, Any] = {
        "__metadata__": {
            "format": FORMAT,
            "version": str(container.version),
            "header": container.header,
            "sha256": digest,
        }
    }
    end = 0
    for name, array in container.arrays.items():
        start, end = end, end + array.nbytes
        table[name] = {"dtype": _CODES[array.dtype], "shape": list(array.shape), "data_offsets": [start, end]}
    text = canonical(table).encode("ascii")
    text += b" " * (-len(text) % 8)
    return len(text).to_bytes(8, "little") + text


def _digest(container: Container) -> str:
    table = [[name, _CODES[array.dtype], list(array.shape)] for name, array in container.arrays.items()]
    text = f"{FORMAT} {container.version}\n{container.header}\n{canonical(table)}\n"
    digest = hashlib.sha256(text.encode())
    for array in container.arrays.values():
        digest.update(array.reshape(-1).view(np.uint8).data)
    return digest.hexdigest()


def _split(data: bytes) -> tuple[bytes, int]:
    """The JSON and where the arrays begin."""
    if len(data) < 10 or data[8:9] != b"{":
        _corrupt("a bank must be a safetensors file", f"{len(data)} bytes of something else")
    length = int.from_bytes(data[:8], "little")
    if length > LARGEST_HEADER:
        raise BankHostile(
            f"a bank's header must be at most {LARGEST_HEADER} bytes", f"{length} declared", _REMEDY
        )
    if length > len(data) - 8:
        _corrupt(f"a bank's header must be whole, {length} bytes", f"{len(data) - 8}, a truncated file")
    return data[8 : 8 + length], 8 + length


def _version(version: object) -> int:
    if not isinstance(version, str) or not version.isdecimal() or not version.isascii() or len(version) > 9:
        _corrupt("a bank must name its format version", f"{version!r}")
    if int(version) > VERSION:
        raise BankFormatTooNew(
            requirement=f"this release reads bank formats up to {VERSION}",
            received=f"format {int(version)}",
            remedy="update Nominal, or build the bank with this release",
        )
    if version not in map(str, range(1, VERSION + 1)):
        _corrupt(f"a bank's format version must be from 1 to {VERSION}", version)
    return int(version)


def _views(table: dict[str, Any], data: bytes, body: int) -> Arrays:
    """Arrays over the bytes; together they fill the file from ``body`` on, without gap or overlap."""
    arrays, end = {}, 0
    for name, entry in sorted(table.items(), key=lambda item: _offset(item[1])):
        dtype, shape, start, stop = _entry(name, entry)
        count = _product(shape)
        if start != end or stop != start + count * dtype.itemsize:
            _hostile("arrays must lie end to end and be as long as their shapes", f"{name} of shape {shape}")
        if body + stop > len(data):
            _corrupt(f"a bank must be whole, at least {body + stop} bytes", f"{len(data)}, a truncated file")
        arrays[name] = np.frombuffer(data, dtype, count, body + start).reshape(shape)
        end = stop
    if body + end != len(data):
        _corrupt(f"a bank of these arrays must be {body + end} bytes", f"{len(data)}")
    return arrays


def _entry(name: str, entry: Any) -> tuple[np.dtype[Any], list[int], int, int]:
    if isinstance(entry, dict) and set(entry) == {"dtype", "shape", "data_offsets"}:
        shape, offsets = _counts(entry["shape"]), _counts(entry["data_offsets"])
        dtype = DTYPES.get(str(entry["dtype"]))
        if dtype and shape is not None and offsets is not None and len(offsets) == 2:
            return dtype, shape, offsets[0], offsets[1]
    _hostile("an array must declare a known dtype, a shape and two offsets", f"{name[:60]!a}")


def _offset(entry: Any) -> list[int]:
    offsets = _counts(entry.get("data_offsets")) if isinstance(entry, dict) else None
    return offsets or []  # _entry refuses it by its name


def _counts(value: Any) -> list[int] | None:
    """The value, where it is a short list of plausible sizes; a bool is none."""
    if not isinstance(value, list) or len(value) > 4:
        return None
    return value if all(type(v) is int and 0 <= v < 2**48 for v in value) else None


def _product(shape: list[int]) -> int:
    """Elements of a shape; an empty array has only the shape [0], so that no other dimension can lie."""
    if 0 in shape and shape != [0]:
        _hostile("an empty array must have shape [0]", f"{shape}")
    count = 1
    for side in shape:
        count *= side
    return count


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len(dict(pairs)) != len(pairs):
        raise ValueError("a key twice")
    return dict(pairs)


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"the constant {name}")


_REMEDY = "restore the file from where it was built, or build the bank again"


def _corrupt(requirement: str, received: str) -> NoReturn:
    raise BankCorrupt(requirement=requirement, received=received, remedy=_REMEDY)


def _hostile(requirement: str, received: str) -> NoReturn:
    raise BankHostile(requirement=requirement, received=received[:200], remedy=_REMEDY)
