"""The bank: everything an inspection needs of a build, as one value and as one file (docs/bank-format.md)."""

from core.bank.bank import BackboneRef, Bank, Conformance, CoresetRecord, Provenance
from core.bank.file import CalibrationRecord, bank_bytes, load_bank, load_record, record_of, save_bank
from core.bank.names import check_image_name

__all__ = [
    "BackboneRef",
    "Bank",
    "CalibrationRecord",
    "Conformance",
    "CoresetRecord",
    "Provenance",
    "bank_bytes",
    "check_image_name",
    "load_bank",
    "load_record",
    "record_of",
    "save_bank",
]
