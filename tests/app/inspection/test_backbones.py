"""A bank under another runtime or precision passes its conformance, or is refused with the numbers."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import pytest
from parts import SMALL, build, parts

from app.inspection.backbones import Backbones, precisions_for, proven_engine
from app.settings import Settings
from core.bank import Bank
from core.detector import check_conformance
from core.errors import BankMismatch
from models.backbone import Backbone, load_backbone
from models.runtime import RUNTIMES, is_native
from models.spec import EMBEDDED


@cache
def loaded(runtime: str, precision: str) -> Backbone:
    if RUNTIMES[runtime].missing(precision) is not None:
        pytest.skip(f"this machine has {RUNTIMES[runtime].missing(precision)}")
    return load_backbone(EMBEDDED, runtime=runtime, precision=precision)


@cache
def bank(runtime: str, precision: str) -> Bank:
    """Twelve small parts learnt with the embedded backbone."""
    return build(parts(12), SMALL, loaded(runtime, precision))


@pytest.mark.parametrize(
    ("runtime", "precision", "largest"),
    [("torch", "float32", 1e-6), ("openvino", "float32", 1e-3), ("torch", "bfloat16", 0.02)],
)
def test_a_bank_of_torch_in_float32_conforms_under(runtime: str, precision: str, largest: float) -> None:
    assert check_conformance(bank("torch", "float32"), loaded(runtime, precision)) <= largest


def test_a_bank_of_int8_conforms_in_simulation_too() -> None:
    assert check_conformance(bank("openvino", "int8"), loaded("openvino", "int8")) == 0
    assert check_conformance(bank("openvino", "int8"), loaded("torch", "int8")) <= 0.02


@pytest.mark.parametrize(("built", "used"), [("float32", "int8"), ("int8", "float32")])
def test_float32_and_int8_do_not_stand_for_each_other_and_the_numbers_say_so(built: str, used: str) -> None:
    with pytest.raises(BankMismatch, match=r"difference of \d+\.\d+% \(recorded \[.*found \["):
        check_conformance(bank("torch", built), loaded("torch", used))


def test_a_bank_that_differs_in_the_asked_precision_is_used_in_its_own() -> None:
    asked: list[str] = []

    def load(precision: str) -> Backbone:
        asked.append(precision)
        return loaded("torch", precision)

    engine = proven_engine(bank("torch", "float32"), "int8", load)
    assert asked == ["int8", "float32"]
    assert engine.backbone.precision == "float32"


def test_auto_uses_a_bank_in_the_precision_of_its_build_unless_that_is_simulated_here() -> None:
    ref = bank("torch", "float32").backbone
    assert precisions_for(ref, "auto") == ("float32",)
    assert precisions_for(ref, "bfloat16") == ("bfloat16", "float32")
    here = any(is_native(runtime, "bfloat16") for runtime in RUNTIMES)
    expected = ("bfloat16",) if here else ("float32", "bfloat16")
    assert precisions_for(replace(ref, precision="bfloat16"), "auto") == expected


def test_the_service_keeps_a_backbone_for_each_precision_that_banks_need() -> None:
    own = loaded("torch", "float32")
    backbones = Backbones(Settings(runtime="torch", precision="int8"), own)
    ref = bank("torch", "float32").backbone
    assert backbones.precisions(ref) == ("int8", "float32")
    assert backbones.of(ref, "float32") is own
    quantised = backbones.of(ref, "int8")
    assert (quantised.digest, quantised.precision, quantised.runtime) == (own.digest, "int8", "torch")
    assert backbones.of(ref, "int8") is quantised
