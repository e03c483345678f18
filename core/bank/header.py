"""The JSON part of a bank file: config, backbone, coreset and tolerance, read strictly by their types."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import MISSING, asdict, dataclass, fields, is_dataclass
from typing import Any, get_args, get_origin, get_type_hints

from core.bank.bank import BackboneRef, Bank, CoresetRecord
from core.bank.container import VERSION, canonical, strict_json
from core.bank.sections import KNOWN, SECTIONS, format_of
from core.config import DetectorConfig
from core.errors import BankFormatTooNew, BankHostile

_LARGEST = 1e300  # of a number: an integer may be larger than any float


@dataclass(frozen=True)
class Header:
    """What of a bank is not an array. requires: see ``needs``; headers hold it from format 4 on."""

    config: DetectorConfig
    backbone: BackboneRef
    coreset: CoresetRecord
    tolerance: float
    requires: tuple[str, ...] = ()

    @property
    def needs(self) -> tuple[str, ...]:
        """The later settings and the sections that a reader of this bank must know, by name and in order."""
        return tuple(sorted({*self.requires, *self.config.later()}))


def header_of(bank: Bank) -> Header:
    """Of a bank in memory."""
    sections = tuple(section.name for section in SECTIONS if getattr(bank, section.name) is not None)
    return Header(bank.config, bank.backbone, bank.coreset, bank.conformance.tolerance, sections)


def write_header(header: Header) -> str:
    """Canonical JSON of a header, passed through the reader: 4 becomes 4.0 where a float belongs."""
    return _canonical(read_header(_canonical(header)))


def _canonical(header: Header) -> str:
    value = asdict(header) | {"config": header.config.to_json(), "requires": header.needs}
    if format_of(header.needs) < VERSION:
        del value["requires"]
    return canonical(value)


def read_header(text: str) -> Header:
    """Read a header of exactly its keys and types. Raises BankError or, for values, CoreError."""
    value = strict_json(text)
    required = (
        _read(tuple[str, ...], value.get("requires", []), "header.requires")
        if isinstance(value, dict)
        else ()
    )
    if unknown := sorted(set(required) - KNOWN):
        raise BankFormatTooNew(
            requirement="this release must know all that a bank requires",
            received=ascii(", ".join(unknown))[:120],
            remedy="update Nominal, or build the bank with this release",
        )
    header: Header = _read(Header, value, "header")
    return header


def _read(hint: Any, value: Any, place: str) -> Any:
    if hint is DetectorConfig and isinstance(value, dict):
        return DetectorConfig.from_json(value)
    if is_dataclass(hint):
        return _object(hint, value, place)
    if get_origin(hint) is tuple and isinstance(value, list):
        return _items(get_args(hint), value, place)
    if hint is float and type(value) in (int, float) and abs(value) < _LARGEST:  # False for NaN
        return float(value)
    if hint in (str, int, bool) and type(value) is hint:
        return value
    raise _unfit(place, f"be {getattr(hint, '__name__', hint)}", f"{value!r}")


def _object(hint: Any, value: Any, place: str) -> Any:
    hints = get_type_hints(hint)
    names = {field.name for field in fields(hint)}
    needed = {field.name for field in fields(hint) if field.default is MISSING}
    if not isinstance(value, dict) or not needed <= set(value) <= names:
        found = sorted(value) if isinstance(value, dict) else type(value).__name__
        raise _unfit(place, f"have exactly the keys {', '.join(sorted(needed))}", f"{found}")
    return hint(**{name: _read(hints[name], value[name], f"{place}.{name}") for name in value})


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
