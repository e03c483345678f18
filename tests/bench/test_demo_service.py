"""The tour of the service at toy size: a real server process, real cells, every step of it."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from bench import demo_service
from bench.server import ServerFailed, serve


def test_the_tour_goes_from_an_empty_server_to_its_last_signal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "120")
    monkeypatch.setattr(sys, "argv", ["demo_service", "--toy", "--out", str(tmp_path / "out")])
    demo_service.main()
    printed = capsys.readouterr().out
    for said in (
        "30 nominal cells uploaded",
        "Version 1 built",
        "8 of 8 posted",
        "ready, version 1",
        "left with status 0",
    ):
        assert said in printed
    overlays = sorted((tmp_path / "out").glob("*_overlay.png"))
    assert len(overlays) == 8
    assert all(path.read_bytes().startswith(b"\x89PNG") for path in overlays)
    assert len((tmp_path / "out" / "inspections.csv").read_text().splitlines()) == 9


def test_a_server_that_cannot_start_says_why(tmp_path: Path) -> None:
    with pytest.raises(ServerFailed, match=r"NOMINAL_THREADS"), serve(tmp_path, threads="none"):
        pytest.fail("it started")
