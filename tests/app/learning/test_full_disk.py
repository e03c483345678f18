"""A file system that is really full, in uploads, inspections and builds: a clear problem, nothing lost, recovery."""

from __future__ import annotations

import shutil
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from parts import parts
from service_kit import PNG, inspect, prepared, problem, service_of, wait_until
from starlette.testclient import TestClient

from app.imaging.pictures import encode_jpeg, encode_png
from app.inspection.backbones import Backbones
from app.learning.worker import Worker
from app.settings import Settings
from app.store.store import open_store
from models.backbone import Backbone

CAPS = "/v1/banks/caps"
QUICK = {"input": {"size": 64}, "coreset_ratio": 0.1, "target_false_reject": 0.2}
DISK = "24m"
ROOM = (
    1 << 20
)  # bytes left free on a disk nearly full: less than a bank of large parts, more than a job's rows


class Disk:
    """A small file system of its own, filled and emptied by one file of ballast."""

    def __init__(self, folder: Path) -> None:
        self.folder, self._ballast = folder, folder / "ballast"

    def fill(self, room: int = 0) -> None:
        """Leave ``room`` bytes."""
        with self._ballast.open("ab") as file:
            while (free := shutil.disk_usage(self.folder).free - room) > 0:
                file.write(bytes(min(free, 1 << 20)))
                file.flush()

    def empty(self) -> None:
        self._ballast.unlink()


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    """Mounted for one test."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={DISK}", "tmpfs", str(folder)]
    if shutil.which("mount") is None or subprocess.run(mount, check=False, capture_output=True).returncode:
        pytest.skip("a file system cannot be mounted here; it takes root")
    yield Disk(folder)
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


@pytest.fixture
def settings(disk: Disk, empty_database: bytes) -> Settings:
    """Of a server whose state lies on the small disk, and whose reserve does not forewarn it."""
    return prepared(disk.folder, empty_database).model_copy(update={"heartbeat_seconds": 0.3})


@pytest.fixture
def learnt(disk: Disk, banked: TestClient, images: list[np.ndarray]) -> TestClient:
    """A server whose bank ``caps`` has images beside its version 1."""
    sent = [("file", (f"{i}.png", encode_png(image))) for i, image in enumerate(images)]
    assert banked.post(f"{CAPS}/images", files=sent).json()["accepted"] == len(images)
    return banked


def kept(client: TestClient) -> set[str]:
    """sha256 of the nominal set, each image whole."""
    found = {image["sha256"] for image in client.get(f"{CAPS}/images").json()["items"]}
    assert all(client.get(f"{CAPS}/images/{sha256}").status_code == 200 for sha256 in found)
    return found


def leftovers(client: TestClient) -> list[Path]:
    return [*service_of(client).store.blobs.staging.directory.iterdir()]


def test_an_upload_on_a_full_disk_is_refused_by_name_and_sending_it_again_goes_on_where_it_ended(
    disk: Disk, learnt: TestClient
) -> None:
    before = kept(learnt)
    rng = np.random.default_rng(0)
    noisy = [encode_png(rng.integers(0, 256, (256, 256, 3), dtype=np.uint8)) for _ in range(40)]
    sent = [("file", (f"{i}.png", data)) for i, data in enumerate(noisy)]  # 8 MB, in two groups
    disk.fill(room=7 << 20)
    problem(learnt.post(f"{CAPS}/images", files=sent), 507, "storage-full")
    some = kept(learnt)
    assert before < some  # the group that fitted stays
    assert leftovers(learnt) == []
    assert learnt.get("/readyz").status_code == 200
    disk.empty()
    said = learnt.post(f"{CAPS}/images", files=sent).json()
    assert (said["duplicate"], said["accepted"]) == (len(some - before), 40 - len(some - before))
    assert len(kept(learnt)) == len(before) + 40


def test_on_a_disk_without_one_byte_every_write_is_refused_reads_go_on_and_space_heals_it(
    disk: Disk, learnt: TestClient, bank_file: bytes, bad: bytes
) -> None:
    known, before = inspect(learnt, bad), kept(learnt)
    disk.fill()
    problem(learnt.post(f"{CAPS}/images", content=bad), 507, "storage-full")
    problem(learnt.post(f"{CAPS}/import", content=bank_file), 507, "storage-full")
    problem(learnt.post(f"{CAPS}/inspect", content=bad, headers=PNG), 507, "storage-full")
    assert kept(learnt) == before
    assert [row["id"] for row in learnt.get("/v1/inspections").json()["items"]] == [known["id"]]
    assert learnt.get(f"/v1/inspections/{known['id']}/image").content == bad
    assert learnt.get("/readyz").status_code == learnt.get("/health").status_code == 200
    disk.empty()
    assert inspect(learnt, bad)["score"] == known["score"]
    assert learnt.post(f"{CAPS}/images", content=bad).json()["accepted"] == 1


@contextmanager
def building(settings: Settings, backbone: Backbone) -> Iterator[None]:
    """A worker beside the server, on a store of its own."""
    with open_store(settings) as store:
        worker = Worker(settings, store, "test", lambda: Backbones(settings, backbone))
        thread = threading.Thread(target=worker.run)
        thread.start()
        try:
            yield
        finally:
            worker.stop()
            thread.join(60)
            assert not thread.is_alive()


def job_of(client: TestClient, id: str) -> dict[str, Any]:
    found: dict[str, Any] = client.get(f"/v1/jobs/{id}").json()
    return found


def ended(client: TestClient, id: str) -> dict[str, Any]:
    """The job once it has ended."""
    wait_until(lambda: job_of(client, id)["state"] not in ("queued", "running"), 60)
    return job_of(client, id)


def start_build(client: TestClient) -> str:
    answer = client.post(f"{CAPS}/builds", json={"config": QUICK, "groups": "none"})
    assert answer.status_code == 202, answer.text
    return str(answer.json()["id"])


def test_a_build_whose_bank_does_not_fit_the_disk_fails_by_name_and_the_next_one_succeeds(
    disk: Disk, banked: TestClient, settings: Settings, backbone: Backbone, good: bytes
) -> None:
    large = [("file", (f"{i}.jpg", encode_jpeg(image, 50))) for i, image in enumerate(parts(10, (512, 512)))]
    assert banked.post(f"{CAPS}/images", files=large).json()["accepted"] == 10
    first = start_build(banked)
    disk.fill(ROOM)
    with building(settings, backbone):
        assert ended(banked, first)["error"]["type"] == "/problems/storage-full"
        assert leftovers(banked) == []
        disk.empty()
        assert inspect(banked, good)["version"] == 1
        second = start_build(banked)
        assert ended(banked, second)["state"] == "succeeded"
    assert banked.get(f"{CAPS}/versions/2").json()["bytes"] > ROOM
    assert inspect(banked, good)["version"] == 2


def test_a_build_on_a_disk_without_one_byte_is_not_stuck_once_there_is_space(
    disk: Disk, learnt: TestClient, settings: Settings, backbone: Backbone, good: bytes
) -> None:
    job = start_build(learnt)
    disk.fill()
    with building(settings, backbone):
        time.sleep(2 * settings.lease_seconds)  # nobody can write that it runs, or that it failed
        assert job_of(learnt, job)["state"] in ("queued", "running")
        disk.empty()
        assert ended(learnt, job)["state"] == "succeeded"
    assert inspect(learnt, good)["version"] == 2
