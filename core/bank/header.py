"""The JSON part of a bank file: config, backbone, coreset and tolerance, read strictly by their types."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields, is_dataclass
from typing import Any, get_args, get_origin, get_type_hints

from core.bank.bank import BackboneRef, Bank, CoresetRecord
from core.bank.container import canonical, strict_json
from core.config import LARGEST, DetectorConfig
from core.errors import BankHostile


@dataclass(frozen=True)
class Header:
    """What of a bank is no array."""

    config: DetectorConfig
    backbone: BackboneRef
    coreset: CoresetRecord
    tolerance: float


def write_header(bank: Bank) -> str:
    """Canonical JSON of a bank's header, passed through the reader: 4 becomes 4.0 where a float belongs."""
    header = Header(bank.config, bank.backbone, bank.coreset, bank.conformance.tolerance)
    return _canonical(read_header(_canonical(header)))


def _canonical(header: Header) -> str:
    return canonical(asdict(header) | {"config": header.config.to_json()})


def read_header(text: str) -> Header:
    """Read a header of exactly its keys and types. Raises BankError or, for values, CoreError."""
    header: Header = _read(Header, strict_json(text), "header")
    return header


def _read(hint: Any, value: Any, place: str) -> Any:
    if hint is DetectorConfig and isinstance(value, dict):
        return DetectorConfig.from_json(value)
    if is_dataclass(hint):
        return _object(hint, value, place)
    if get_origin(hint) is tuple and isinstance(value, list):
        return _items(get_args(hint), value, place)
    if hint is float and type(value) in (int, float) and abs(value) < LARGEST:  # False for NaN
        return float(value)
    if hint in (str, int, bool) and type(value) is hint:
        return value
    raise _unfit(place, f"be {getattr(hint, '__name__', hint)}", f"{value!r}")


def _object(hint: Any, value: Any, place: str) -> Any:
    hints = get_type_hints(hint)
    names = {field.name for field in fields(hint)}
    if not isinstance(value, dict) or set(value) != names:
        found = sorted(value) if isinstance(value, dict) else type(value).__name__
        raise _unfit(place, f"have exactly the keys {', '.join(sorted(names))}", f"{found}")
    return hint(**{name: _read(hints[name], value[name], f"{place}.{name}") for name in names})


def _items(kinds: Sequence[Any], value: list[Any], place: str) -> tuple[Any, ...]:
    if kinds[-1] is Ellipsis:
        kinds = [kinds[0]] * len(value)
    if len(kinds) != len(value):
        raise _unfit(place, f"have {len(kinds)} entries", f"{len(value)}")
    return tuple(_read(kind, item, place) for kind, item in zip(kinds, value, strict=True))


def _unfit(place: str, requirement: str, received: str) -> BankHostile:
    return BankHostile(
        requirement=f"a bank's {place} must {requirement}",
        received=received[:120],
        remedy="restore the file from where it was built, or build the bank again",
    )
