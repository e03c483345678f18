"""A bank's calibration record: the same as the whole bank's, and as proven."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from banks import tiny_bank

from core.bank import bank_bytes, load_bank, load_record, record_of, save_bank
from core.errors import BankCorrupt, BankError


@pytest.mark.parametrize("kind", ["flat", "hnsw", "ivfpq"])
def test_the_record_of_a_file_is_that_of_its_bank(kind: str, tmp_path: Path) -> None:
    save_bank(tiny_bank(kind), tmp_path / "part.bank")
    bank, record = load_bank(tmp_path / "part.bank"), load_record(tmp_path / "part.bank")
    assert (record.config, record.images, record.vectors) == (
        bank.config,
        bank.provenance.images,
        len(bank.vectors),
    )
    np.testing.assert_array_equal(record.calibration_scores, bank.calibration_scores)
    assert record_of(bank).images == record.images
    assert record_of(bank).calibration_scores.base is None  # or the bank's bytes would stay in memory
    assert record.calibration_scores.base is None


def test_a_damaged_file_has_no_record(tmp_path: Path) -> None:
    data = bytearray(bank_bytes(tiny_bank()))
    data[-1] ^= 1
    with pytest.raises(BankCorrupt):
        load_record(bytes(data))
    with pytest.raises(BankError):
        load_record(tmp_path / "none.bank")
