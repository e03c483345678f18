"""The supervisor with small programs in the worker's place: it starts, wakes, hears, restarts and stops them."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr
from service_kit import settings_in, wait_until

from app.learning.supervisor import Hear, Supervisor, plain
from app.settings import Camera, Settings
from app.store.store import Store, open_store

ECHO = """
import json, sys
order = json.loads(sys.stdin.readline())
print(json.dumps({"owner": order["owner"], "data_dir": order["settings"]["data_dir"]}), flush=True)
for line in sys.stdin:
    print(json.dumps({"job": "woken"}), flush=True)
print("no JSON", flush=True)
"""
DEAF = 'import time\nprint(\'{"job": "up"}\', flush=True)\nwhile True: time.sleep(3600)'
DYING = "import sys; sys.exit(3)"


@pytest.fixture
def store(settings: Settings) -> Iterator[Store]:
    with open_store(settings) as opened:
        yield opened


@pytest.fixture
def supervise(settings: Settings, store: Store) -> Iterator[Callable[[str, Hear], Supervisor]]:
    """Starts supervisors of a program; each has stopped at the test's end."""
    made: list[Supervisor] = []

    def start(program: str, hear: Hear) -> Supervisor:
        made.append(Supervisor(settings, store.leases, hear, [sys.executable, "-c", program], pause=0.01))
        made[-1].start()
        return made[-1]

    yield start
    for supervisor in made:
        supervisor.stop(0)
        assert supervisor.pid is None


def test_the_worker_gets_its_order_is_woken_and_leaves_when_its_input_ends(
    supervise: Callable[[str, Hear], Supervisor], settings: Settings
) -> None:
    heard: list[dict[str, Any]] = []
    supervisor = supervise(ECHO, heard.append)
    wait_until(lambda: len(heard) == 1)
    assert heard[0]["data_dir"] == str(settings.data_dir)
    supervisor.wake()
    wait_until(lambda: len(heard) == 2)
    assert heard[1] == {"job": "woken"}
    supervisor.stop(30)
    assert (supervisor.pid, supervisor.restarts) == (None, 0)
    supervisor.wake()  # nobody is there to hear it


def test_a_worker_that_dies_is_replaced_and_its_job_is_queued_again_at_once(
    supervise: Callable[[str, Hear], Supervisor], store: Store
) -> None:
    heard: list[dict[str, Any]] = []
    supervisor = supervise(ECHO, heard.append)
    wait_until(lambda: len(heard) == 1)
    store.banks.create("caps", title="", config={}, actor="test")
    job = store.jobs.create("caps", request={}, actor="test")
    assert store.leases.claim(heard[0]["owner"]) is not None
    first = supervisor.pid
    assert first is not None
    os.kill(first, signal.SIGKILL)
    wait_until(lambda: len(heard) == 2)
    assert store.jobs.get(job.id).state == "queued"
    assert heard[1]["owner"] != heard[0]["owner"]
    assert supervisor.pid not in (None, first)


def test_a_worker_that_keeps_dying_is_started_again_and_again(
    supervise: Callable[[str, Hear], Supervisor],
) -> None:
    supervisor = supervise(DYING, lambda event: None)
    wait_until(lambda: supervisor.restarts >= 2)


def test_a_program_that_is_not_there_stops_nothing(settings: Settings, store: Store, tmp_path: Path) -> None:
    supervisor = Supervisor(settings, store.leases, command=[str(tmp_path / "none")], pause=0.01)
    supervisor.start()
    wait_until(lambda: supervisor.restarts >= 1)
    supervisor.stop(30)


def test_a_worker_that_does_not_leave_in_time_is_killed(
    supervise: Callable[[str, Hear], Supervisor],
) -> None:
    up = threading.Event()
    supervisor = supervise(DEAF, lambda event: up.set())
    assert up.wait(30)
    supervisor.stop(0.05)
    assert supervisor.pid is None


def test_a_supervisor_told_to_stop_before_it_began_starts_nothing_that_stays(
    settings: Settings, store: Store
) -> None:
    supervisor = Supervisor(settings, store.leases, command=[sys.executable, "-c", ECHO])
    supervisor.begin_stop()
    supervisor.start()
    supervisor.stop(30)
    assert supervisor.pid is None


def test_the_workers_settings_are_the_servers_with_secrets(tmp_path: Path) -> None:
    settings = settings_in(
        tmp_path, database_url=SecretStr("sqlite:////x/y.db"), blob_secret=SecretStr("hush")
    )
    camera = Camera.model_validate({"name": "top", "bank": "caps", "url": "rtsp://user:word@10.0.0.7/live"})
    again = Settings(**plain(settings.model_copy(update={"cameras": [camera]})))  # it looks at no camera
    assert again == settings
    assert again.blob_secret is not None
    assert again.blob_secret.get_secret_value() == "hush"
