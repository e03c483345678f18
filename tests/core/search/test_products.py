"""The trial of smaller types: a slow moment of the machine does not decide it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch

from core.search import bounds as products


@pytest.fixture(autouse=True)
def anew() -> Iterator[None]:
    products.multiplies_faster.cache_clear()
    yield
    products.multiplies_faster.cache_clear()


def timed(monkeypatch: pytest.MonkeyPatch, seconds: dict[torch.dtype, list[float]]) -> list[torch.dtype]:
    """Products take these seconds, the last of them from then on; the types in the order of their turns."""
    turns: list[torch.dtype] = []

    def product(type_: torch.dtype) -> float:
        turns.append(type_)
        left = seconds[type_]
        return left.pop(0) if len(left) > 1 else left[0]

    monkeypatch.setattr(products, "_seconds", product)
    return turns


def test_other_work_on_the_cores_during_most_of_one_types_turns_does_not_decide(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    timed(monkeypatch, {torch.float32: [9.0] * 10 + [1.0], torch.bfloat16: [3.0]})
    assert not products.multiplies_faster(torch.bfloat16)


def test_the_types_take_turns_and_the_answer_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    turns = timed(monkeypatch, {torch.float32: [1.0], torch.bfloat16: [0.5]})
    assert products.multiplies_faster(torch.bfloat16)
    taken = len(turns)
    assert turns == [torch.float32, torch.bfloat16] * (taken // 2)
    assert products.multiplies_faster(torch.bfloat16)
    assert len(turns) == taken


def test_about_equal_times_leave_float32(monkeypatch: pytest.MonkeyPatch) -> None:
    timed(monkeypatch, {torch.float32: [1.0], torch.bfloat16: [0.95]})
    assert not products.multiplies_faster(torch.bfloat16)


def test_integers_must_win_clearly_since_they_leave_more_to_measure(monkeypatch: pytest.MonkeyPatch) -> None:
    timed(monkeypatch, {torch.float32: [1.0], torch.int8: [0.6]})
    assert not products.multiplies_faster(torch.int8)


def test_a_product_that_torch_lacks_here_is_never_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(*tensors: torch.Tensor) -> torch.Tensor:
        raise NotImplementedError("no such kernel")

    monkeypatch.setattr(products, "_int_mm", absent)
    assert not products.multiplies_faster(torch.int8)


@pytest.mark.parametrize("type_", [torch.bfloat16, torch.int8])
def test_here_it_is_measured(type_: torch.dtype) -> None:
    assert products.multiplies_faster(type_) in (True, False)
