"""An optional section of a bank file is one entry: written where a bank has it, refused by name where it is unknown."""

from __future__ import annotations

import json
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
import pytest
from banks import tiny_bank

from core.bank import Bank, bank_bytes, file, header, load_bank
from core.bank.sections import KNOWN, SECTIONS, Section, line_bytes, text_lines
from core.errors import BankFormatTooNew, BankHostile


@dataclass(frozen=True, eq=False)
class Grouped(Bank):
    """A bank as a later release has it: with the dials of each nominal image."""

    dials: tuple[str, ...] | None = None


DIALS = Section(
    "dials",
    {"names": (np.uint8, 1), "count": (np.int32, 1)},
    lambda dials: {"names": line_bytes(dials), "count": np.array([len(dials)], np.int32)},
    lambda arrays: text_lines(arrays["names"], int(arrays["count"][0])),
)


def grouped(dials: tuple[str, ...] | None, **of: Any) -> Grouped:
    bank = tiny_bank(**of)
    return Grouped(**{field.name: getattr(bank, field.name) for field in fields(bank)}, dials=dials)


@pytest.fixture
def later(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """The release that knows dials; undone, this one."""
    for module in (file, header):
        monkeypatch.setattr(module, "SECTIONS", (*SECTIONS, DIALS))
    monkeypatch.setattr(header, "KNOWN", KNOWN | {"dials"})
    monkeypatch.setattr(file, "Bank", Grouped)
    return monkeypatch


@pytest.mark.parametrize("pca", [None, 4])
def test_a_section_survives_its_file_and_this_release_refuses_it_by_name(
    pca: int | None, later: pytest.MonkeyPatch
) -> None:
    dials = ("p1", "p1", "p2", "p2", "häß")
    data = bank_bytes(grouped(dials, pca=pca))
    loaded: Any = load_bank(data)
    assert (loaded.dials, loaded.pca is None) == (dials, pca is None)
    assert bank_bytes(loaded) == data
    table = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])
    assert json.loads(table["__metadata__"]["header"])["requires"] == ["dials", *(["pca"] if pca else [])]
    assert {"dials.names", "dials.count"} <= table.keys()
    later.undo()
    with pytest.raises(BankFormatTooNew, match=r"received 'dials'\. Update Nominal"):
        load_bank(data)


BEFORE = bank_bytes(tiny_bank())


def test_a_bank_without_a_section_is_written_as_before_there_was_one(later: pytest.MonkeyPatch) -> None:
    assert bank_bytes(grouped(None)) == BEFORE
    assert load_bank(BEFORE).dials is None  # type: ignore[attr-defined]


def test_a_section_of_another_form_is_hostile(later: pytest.MonkeyPatch) -> None:
    data = bank_bytes(grouped(("a",) * 5))
    later.setattr(file, "SECTIONS", (*SECTIONS, replace(DIALS, forms={"names": (np.int32, 1)})))
    with pytest.raises(BankHostile, match=r"must hold dials\.names, int32"):
        load_bank(data)
