"""The benches of the service at toy size: a real server is flooded and killed, and keeps its word."""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType

import psutil
import pytest

from app.settings import Settings
from app.store.store import open_store
from bench import chaos, events, fortress, inference, load, many
from bench.broker import find_mosquitto
from bench.fortress_loads import ALONE


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
    assert "kills: 1, broken promises: 0" in printed


def test_a_line_is_measured_beside_each_load_and_every_process_ends(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    before = psutil.Process().children(recursive=True)  # other tests' helpers
    printed = printed_by(fortress, monkeypatch, capsys)
    rows = [line.split(" | ") for line in printed.splitlines() if " of 3 | " in line]
    assert [row[0].removeprefix("| ") for row in rows] == ["nothing", "everything"] * 2
    assert all(load.__name__ in rows[-1][-1] for load in ALONE)
    assert [each for each in psutil.Process().children(recursive=True) if each not in before] == []


@pytest.mark.skipif(find_mosquitto() is None, reason="no mosquitto here; Debian's package has it")
def test_no_event_is_lost_when_broker_and_relay_are_killed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    printed = printed_by(events, monkeypatch, capsys)
    assert [line.split(" | ")[:2] for line in printed.splitlines() if line.startswith(("| MQTT", "| webhook"))] == [
        ["| MQTT", "0"], ["| webhook", "0"]
    ]  # fmt: skip


def test_copies_of_a_bank_are_banks_that_serve_the_same_file(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path)
    with open_store(settings) as store:
        store.banks.create(many.MODEL, title="", config={}, actor="cli")
        sha256 = store.blobs.put([b"a bank"], limit=10, media_type="application/octet-stream").sha256
        store.versions.add(many.MODEL, sha256=sha256, size=6, summary={}, actor="cli")
        store.versions.activate(many.MODEL, 1, actor="cli")
    many.copy(tmp_path, 3)
    with open_store(settings) as store:
        found = store.banks.with_versions()
        assert [bank.id for bank, _ in found] == ["bank-00000", "bank-00001", "bank-00002", many.MODEL]
        assert {version and version.sha256 for _, version in found} == {sha256}


def test_an_image_by_the_inference_protocol_is_timed_beside_the_same_by_inspect(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", [inference.__name__, "--toy"])
    inference.main()
    printed = capsys.readouterr().out
    assert all(f"| {name} |" in printed for name in ("/inspect, PNG", "/v2, PNG", "/v2, RGB samples"))
    assert "4 images." in printed
