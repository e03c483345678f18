"""A network for a new input size is compiled while those of known sizes go on answering."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec
from typing import Any

import pytest
import torch
from fakes import tiny_module

from models.openvino_runtime import _SIZES_KEPT, OpenVinoRuntime
from models.source import Source

pytestmark = pytest.mark.skipif(find_spec("openvino") is None, reason="openvino is not installed")


def test_a_known_size_is_answered_while_another_is_compiled(monkeypatch: pytest.MonkeyPatch) -> None:
    runtime = OpenVinoRuntime(Source(tiny_module), "float32", 1)
    known, new = torch.rand(1, 3, 64, 64), torch.rand(1, 3, 64, 96)
    expected = runtime(known)
    begun, go_on, compile_ = threading.Event(), threading.Event(), runtime._compile

    def slow(height: int, width: int) -> Any:
        begun.set()
        assert go_on.wait(30)
        return compile_(height, width)

    monkeypatch.setattr(runtime, "_compile", slow)
    with ThreadPoolExecutor(2) as callers:
        waiting = [callers.submit(runtime, new) for _ in range(2)]
        assert begun.wait(30)
        try:
            assert all(torch.equal(a, b) for a, b in zip(runtime(known), expected, strict=True))
        finally:
            go_on.set()
        first, second = (call.result() for call in waiting)
    assert all(torch.equal(a, b) for a, b in zip(first, second, strict=True))
    assert len(runtime._networks) == 2  # one compilation served both


def test_only_so_many_sizes_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    runtime = OpenVinoRuntime(Source(tiny_module), "float32", 1)
    monkeypatch.setattr(runtime, "_compile", lambda height, width: (height, width))
    for step in range(1, _SIZES_KEPT + 3):
        assert runtime._network(32, 32 * step) == (32, 32 * step)
    assert len(runtime._networks) == _SIZES_KEPT
