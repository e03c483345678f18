"""``nominal serve`` as a process with its build worker: a whole day's work, signals, and refusals to start."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from parts import parts, scratched
from service_kit import PNG, wait_until

from app.cli.serve import listen, preflight
from app.errors import StartRefused
from app.imaging.pictures import encode_png
from app.learning.supervisor import plain
from app.settings import Settings
from app.store.store import open_store

SLOW = 300.0  # seconds; two processes import torch on a machine that may be busy


@contextmanager
def serving(folder: Path, *options: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """(the process, its address) of a server on a free port, with the embedded backbone."""
    environment = {
        **os.environ,
        "NOMINAL_DATA_DIR": str(folder / "data"),
        "NOMINAL_BACKBONE": "efficientnet-lite2",
        "NOMINAL_DISK_RESERVE_BYTES": "0",
    }
    command = [sys.executable, "-m", "app.cli", "serve", "--port", "0", *options]
    log = (folder / "log").open("w+")
    with subprocess.Popen(command, env=environment, stderr=log, text=True) as process, log:
        try:
            found: list[str] = []

            def listening() -> bool:
                assert process.poll() is None, (folder / "log").read_text()
                found[:] = re.findall(r"Listening on (\S+)", (folder / "log").read_text())
                return bool(found)

            wait_until(listening, SLOW)
            yield process, found[0]
        finally:
            process.kill()


def log_of(folder: Path) -> str:
    return (folder / "log").read_text()


def test_a_server_learns_inspects_survives_its_workers_death_and_leaves_on_sigterm(tmp_path: Path) -> None:
    good = [encode_png(image) for image in parts(12)]
    bad = encode_png(scratched(parts(1, seed=8)[0], 30, 40))
    with serving(tmp_path) as (process, url), httpx.Client(base_url=url, timeout=60) as client:

        def ready() -> bool:
            try:
                return client.get("/readyz").status_code == 200
            except httpx.TransportError:
                return False

        def job(id: str) -> dict[str, Any]:
            found: dict[str, Any] = client.get(f"/v1/jobs/{id}").json()
            return found

        wait_until(ready, SLOW)
        config = {"input": {"size": 64}, "coreset_ratio": 0.1, "target_false_reject": 0.2}
        client.post("/v1/banks", json={"id": "caps", "config": config}).raise_for_status()
        files = [("file", (f"{i}.png", image)) for i, image in enumerate(good)]
        assert client.post("/v1/banks/caps/images", files=files).json()["accepted"] == 12
        first = client.post("/v1/banks/caps/builds").json()["id"]
        wait_until(lambda: job(first)["state"] == "succeeded", SLOW)
        answer = client.post("/v1/banks/caps/inspect", content=bad, headers=PNG).json()
        assert (answer["decision"], answer["version"]) == ("reject", 1)
        wait_until(lambda: "nominal_build_seconds_count{" in client.get("/metrics").text)
        assert log_of(tmp_path).index("bank prepared") < log_of(tmp_path).index("build ended")

        # A screening is killed with its worker, and taken up by the next.
        client.post("/v1/banks", json={"id": "large", "config": {"input": {"size": 640}}}).raise_for_status()
        client.post("/v1/banks/large/images", files=files).raise_for_status()
        look = client.post("/v1/banks/large/screening").json()["id"]
        wait_until(lambda: job(look)["state"] == "running", SLOW)
        os.kill(workers_of(process.pid)[0], signal.SIGKILL)
        wait_until(lambda: job(look)["state"] == "succeeded", SLOW)
        assert job(look)["attempts"] == 2
        assert client.get("/v1/banks/large/screening").json()["found"]["report"]["images"] == 12

        # A long build is killed with its worker, and taken up by the next.
        long = {"config": {"coreset_ratio": 1.0, "input": {"size": 640}}}
        second = client.post("/v1/banks/caps/builds", json=long).json()["id"]
        wait_until(lambda: job(second)["state"] == "running", SLOW)
        os.kill(workers_of(process.pid)[0], signal.SIGKILL)
        wait_until(lambda: job(second)["attempts"] == 2, SLOW)
        assert client.get("/health").json()["worker"] == {"alive": True, "restarts": 2}
        assert (
            client.post("/v1/banks/caps/inspect", content=bad, headers=PNG).json()["score"] == answer["score"]
        )

        # The server is asked to leave: unready while it still answers, the build queued again, nobody left behind.
        [worker] = workers_of(process.pid)
        process.send_signal(signal.SIGTERM)
        assert client.get("/readyz").status_code == 503
        assert process.wait(SLOW) == 0
        assert not Path(f"/proc/{worker}").exists()
    assert "Traceback" not in log_of(tmp_path)
    with open_store(Settings(data_dir=tmp_path / "data")) as store:
        assert store.jobs.get(second).state == "queued"
        assert store.inspections.get(answer["id"]).decision == "reject"


def test_a_worker_leaves_when_its_input_ends_as_it_does_when_the_server_is_killed(settings: Settings) -> None:
    order = json.dumps({"settings": plain(settings), "owner": "test"}) + "\n"
    with subprocess.Popen(
        [sys.executable, "-m", "app.learning.worker"], stdin=subprocess.PIPE, text=True
    ) as worker:
        assert worker.stdin is not None
        worker.stdin.write(order)
        worker.stdin.close()
        assert worker.wait(SLOW) == 0


def workers_of(pid: int) -> list[int]:
    """The processes that a process started and that still run."""
    children = Path(f"/proc/{pid}/task/{pid}").parent.glob("*/children")
    return [int(child) for path in children for child in path.read_text().split()]


# Refusals to start


def test_an_address_that_others_reach_is_refused_without_keys_and_taken_with_one(settings: Settings) -> None:
    for host in ("0.0.0.0", "::", "192.0.2.1"):
        with pytest.raises(StartRefused) as refused:
            preflight(settings.model_copy(update={"host": host}))
        assert "nominal keys create" in refused.value.remedy
    preflight(settings)
    with open_store(settings) as store:
        _, key = store.keys.create("line", "read", actor="test")
        preflight(settings.model_copy(update={"host": "0.0.0.0"}))
        store.keys.revoke(key.id, actor="test")
    with pytest.raises(StartRefused):
        preflight(settings.model_copy(update={"host": "0.0.0.0"}))


def test_a_file_of_keys_lets_a_server_listen_to_others(settings: Settings, tmp_path: Path) -> None:
    keys = tmp_path / "keys"
    keys.write_text(f"# of the line\nread line-2 nominal_0123456789ab_{'k' * 43}\n")
    preflight(settings.model_copy(update={"host": "0.0.0.0", "keys_file": keys}))


def test_a_port_that_is_taken_is_refused_with_the_systems_reason(settings: Settings) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(StartRefused, match="port"):
        listen(settings.model_copy(update={"port": taken.getsockname()[1]}))
    with pytest.raises(StartRefused):
        listen(settings.model_copy(update={"host": "192.0.2.1", "port": 0}))
