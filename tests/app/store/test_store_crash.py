"""kill -9 amid uploads, inspections and builds: what was acknowledged is there, nothing is half there."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from pathlib import Path

import pytest
from sqlalchemy import select

from app.settings import Settings
from app.store.schema import Blob, Image, Inspection, Version
from app.store.store import Store

ROOT = Path(__file__).resolve().parents[3]
CHILD = Path(__file__).with_name("crash_child.py")


def exposed(settings: Settings) -> str:
    """The settings as JSON, secrets included."""
    url = settings.database_url
    plain = settings.model_dump(mode="json") | {"database_url": url.get_secret_value() if url else None}
    return json.dumps(plain) + "\n"


def run_and_kill(settings: Settings, after: int) -> list[list[str]]:
    """What the child acknowledged until it was killed, once it had printed ``after`` lines."""
    command = [sys.executable, str(CHILD)]
    environment = {"PYTHONPATH": f"{ROOT}:{CHILD.parent.parent}"}
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=os.environ | environment
    ) as child:
        assert child.stdin is not None
        assert child.stdout is not None
        child.stdin.write(exposed(settings))
        child.stdin.flush()
        lines = [child.stdout.readline() for _ in range(after)]
        child.kill()
        lines += child.stdout.readlines()
    assert all(line.endswith("\n") for line in lines), "the child ended by itself"
    return [line.split() for line in lines]


@pytest.mark.parametrize("seed", [1, 2])
def test_acknowledged_writes_survive_kill_9(settings: Settings, seed: int) -> None:
    store = Store(settings)
    store.banks.create("screws", title="Screws", config={}, actor="cli")
    store.close()
    acknowledged: list[list[str]] = []
    draw = random.Random(seed)
    for _ in range(2):
        acknowledged += run_and_kill(settings, draw.randint(5, 60))
        check(Store(settings), acknowledged)


def check(store: Store, acknowledged: list[list[str]]) -> None:
    """Everything acknowledged is there, and everything there is whole."""
    images = {image.sha256 for image in store.images.page("screws", limit=1000).items}
    inspections = {each.id for each in store.inspections.page(limit=1000).items}
    versions = {each.number for each in store.versions.all("screws")}
    for kind, name in acknowledged:
        assert kind != "error"
        if kind == "image":
            assert name in images
        elif kind == "inspection":
            assert name in inspections
        else:
            assert int(name) in versions
    bank = store.banks.get("screws")
    assert bank.active_version == (max(versions) if versions else None)
    serials = [each.serial for each in store.inspections.page(limit=1000).items]
    assert all(serials.count(serial) % 2 == 0 for serial in serials), "half a batch"
    check_blobs(store)
    release_jobs(store)
    store.close()


def check_blobs(store: Store) -> None:
    """Every reference leads to bytes that have the digest."""
    columns = (Image.sha256, Version.sha256, Inspection.image_sha256)
    with store.database.read() as session:
        names = {name for column in columns for name in session.scalars(select(column)) if name}
        assert names <= set(session.scalars(select(Blob.sha256)))
    for name in names:
        store.blobs.read(name)


def release_jobs(store: Store) -> None:
    """The next server knows its worker dead; then the bank can be built again."""
    store.leases.release("w1", "killed")
    for job in store.jobs.page(state="queued").items:
        store.jobs.cancel(job.id, actor="cli")
