"""The benches of the service at toy size: a real server is flooded and killed, and keeps its word."""

from __future__ import annotations

import sys
from types import ModuleType

import pytest

from bench import chaos, load


def printed_by(bench: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> str:
    """What a bench prints when it ends well."""
    monkeypatch.setattr(sys, "argv", [bench.__name__, "--toy"])
    with pytest.raises(SystemExit) as ended:
        bench.main()
    printed = capsys.readouterr().out
    assert ended.value.code == 0, printed
    return printed


def test_a_flooded_server_answers_or_refuses_with_retry_after_and_loses_nothing(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    printed = printed_by(load, monkeypatch, capsys)
    assert "503 /problems/queue-full" in printed
    assert "of them lost: 0" in printed


def test_a_killed_server_and_a_killed_worker_break_no_promise(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    printed = printed_by(chaos, monkeypatch, capsys)
    assert "2 kills, 0 broken promises" in printed
