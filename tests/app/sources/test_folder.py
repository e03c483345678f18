"""A watched folder: one file, one inspection; whole files only; what goes wrong is named and nothing is lost."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from folder_kit import Watching, put, rows, state, wait_for
from service_kit import inspect, service_of, wait_until
from sqlalchemy.exc import IntegrityError
from starlette.testclient import TestClient

from app.lifecycle import health
from app.settings import Settings, Watched
from app.store.origins import FRESH
from app.store.schema import Origin
from app.store.scope import Scope

CHILD = Path(__file__).with_name("killed_child.py")


def test_a_renamed_file_is_inspected_as_over_http_and_answered_beside(
    watching: Watching, folder: Path, bad: bytes
) -> None:
    client = watching(after="beside", station="line 1", settle_seconds=0)
    put(folder, "part 1.png", bad)
    (folder / "part 2.png.tmp").write_bytes(bad)
    wait_for(client, done=1, waiting=0)
    [row] = rows(client)
    answer = json.loads((folder / "part 1.png.json").read_text())
    assert answer == row
    assert (row["name"], row["station"], row["decision"]) == ("part 1.png", "line 1", "reject")
    assert row["score"] == inspect(client, bad)["score"]
    assert 'nominal_folder_files_total{folder="' in client.get("/metrics").text
    assert sorted(path.name for path in folder.iterdir()) == [
        "part 1.png",
        "part 1.png.json",
        "part 2.png.tmp",
    ]


def test_files_move_by_decision_and_what_is_no_image_moves_with_the_reason(
    watching: Watching, folder: Path, good: bytes, bad: bytes
) -> None:
    client = watching(after="move")
    for name, data in (("a.png", good), ("b.png", bad), ("c.png", b"no image"), ("d.png", bad[:-300])):
        put(folder, name, data)
    wait_for(client, done=2, failed=2, waiting=0)
    decisions = {row["name"]: row["decision"] for row in rows(client)}
    assert decisions["b.png"] == "reject"
    for name, decision in decisions.items():
        assert json.loads((folder / decision / f"{name}.json").read_text())["decision"] == decision
        assert (folder / decision / name).exists()
    assert "Received: " in (folder / "failed" / "c.png.txt").read_text()
    assert (folder / "failed" / "d.png").read_bytes() == bad[:-300]
    assert "png" in (state(client).error or "")
    assert [path for path in folder.iterdir() if path.is_file()] == []


def test_a_half_written_file_waits_for_its_other_half(watching: Watching, folder: Path, good: bytes) -> None:
    client = watching()
    half = len(good) // 2
    (folder / "slow.png").write_bytes(good[:half])
    time.sleep(0.5)
    assert (state(client).waiting, state(client).failed, state(client).fault) == (1, 0, None)
    with (folder / "slow.png").open("ab") as file:
        file.write(good[half:])
    wait_for(client, done=1, waiting=0, failed=0)
    assert len(rows(client)) == 1


def test_a_file_with_new_content_is_another_part_and_one_renamed_or_touched_is_not(
    watching: Watching, folder: Path, good: bytes, bad: bytes
) -> None:
    client = watching()
    put(folder, "last.png", good)
    wait_for(client, done=1)
    put(folder, "last.png", bad)
    wait_for(client, done=2)
    (folder / "last.png").rename(folder / "kept.png")
    wait_for(client, done=3, waiting=0)
    os.utime(folder / "kept.png")
    wait_for(client, done=4, waiting=0)
    assert len(rows(client)) == 2


def test_after_a_restart_nothing_is_inspected_again_and_a_copy_is(
    watching: Watching, folder: Path, good: bytes
) -> None:
    put(folder, "a.png", good)
    client = watching()  # the bank is made once the file waits for it
    wait_for(client, done=1)
    again = watching()
    shutil.copy2(folder / "a.png", folder / "b.png")
    wait_for(again, done=1, waiting=0)
    assert [row["name"] for row in rows(again)] == ["a.png", "b.png"]


def test_a_missing_bank_holds_the_folder_up_by_name_until_it_is_there(
    watching: Watching, folder: Path, good: bytes
) -> None:
    client = watching()
    client.delete("/v1/banks/caps").raise_for_status()
    put(folder, "a.png", good)
    wait_for(client, waiting=1, done=0)
    wait_until(lambda: state(client).fault is not None)
    reasons = client.get("/health").json()["fault_reasons"]
    assert "a.png: The bank must exist" in reasons[f"folder:{folder}"]


def test_a_folder_that_is_gone_is_a_fault_until_it_is_back(
    watching: Watching, folder: Path, good: bytes, tmp_path: Path
) -> None:
    client = watching()
    folder.rename(tmp_path / "away")
    wait_until(lambda: state(client).fault is not None)
    found = client.get("/health").json()
    assert (found["status"], found["faults"]) == ("degraded", ["folder"])
    assert "No such file" in found["fault_reasons"][f"folder:{folder}"]
    assert f'nominal_folder_well{{folder="{folder}"}} 0.0' in client.get("/metrics").text
    blind = health.overall(service_of(client), Scope(banks=frozenset({"other"})))
    assert (blind["folders"], blind["fault_reasons"]) == ([], {})
    (tmp_path / "away").rename(folder)
    put(folder, "a.png", good)
    wait_for(client, fault=None, done=1)


def test_a_result_that_cannot_be_written_is_written_later_for_the_same_inspection(
    watching: Watching, folder: Path, good: bytes, tmp_path: Path
) -> None:
    results = tmp_path / "results"
    client = watching(after="move", into=results)
    put(folder, "a.png", good)
    wait_until(lambda: state(client).fault is not None)
    assert str(results) in (state(client).fault or "")
    assert len(rows(client)) == 1
    again = watching(after="move", into=results)  # as after a crash, beside the first
    results.mkdir()
    wait_for(again, waiting=0, fault=None)
    wait_for(client, waiting=0, fault=None)
    [row] = rows(again)
    assert (results / row["decision"] / "a.png").read_bytes() == good
    put(folder, "a.png", good)  # the same part once more, asked for on purpose
    wait_until(lambda: len(rows(again)) == 2)


def test_a_kill_between_the_ledger_and_the_move_leaves_one_inspection(
    banked: TestClient, watching: Watching, folder: Path, settings: Settings, good: bytes
) -> None:
    put(folder, "a.png", good)
    watched = Watched(folder=folder, bank="caps", after="move", settle_seconds=0)
    said = settings.model_copy(update={"watch": [watched]}).model_dump_json()
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    child = subprocess.run(
        [sys.executable, CHILD], input=said, text=True, capture_output=True, timeout=120, env=environment
    )
    assert child.returncode == -signal.SIGKILL, child.stderr
    assert len(rows(banked)) == 1
    assert (folder / "a.png").exists()
    client = watching(after="move", settle_seconds=0)
    wait_for(client, done=1, waiting=0)
    [row] = rows(client)
    assert (folder / row["decision"] / "a.png").read_bytes() == good


def test_origins_refuse_a_second_inspection_of_a_file_and_forget_what_is_long_gone(
    client: TestClient,
) -> None:
    store = service_of(client).store
    of: dict[str, Any] = {"source": "/in", "sha256": "0" * 64, "size": 1, "mtime_ns": 1}
    store.inspections.add([], [], [Origin(**of, name="a.png", inspection_id="first")])
    with pytest.raises(IntegrityError):
        store.inspections.add([], [], [Origin(**of, name="a.png", inspection_id="second")])
    [kept] = store.origins.of("/in", "0" * 64)
    assert kept.inspection_id == "first"
    assert store.origins.sweep("/in", lambda name: False) == 0  # it may be back in a moment
    old = Origin(**of, name="b.png", inspection_id="x", created_at=kept.created_at - 2 * FRESH)
    store.inspections.add([], [], [old])
    assert store.origins.sweep("/in", lambda name: name == "b.png") == 0
    assert store.origins.sweep("/in", lambda name: False) == 1
