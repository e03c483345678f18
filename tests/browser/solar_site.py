"""A running console over real solar cells: a taught bank, a second version, reviewed inspections."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import uvicorn

import app.learning.worker
from app.inspection.backbones import Backbones
from app.learning.worker import Worker
from app.lifecycle import Service
from app.main import create_app
from app.settings import Settings
from app.store.store import Store
from bench.datasets import elpv_split
from models.backbone import Backbone
from nominal_client import Client

CONFIG = {"input": {"size": 128}, "coreset_ratio": 0.02, "target_false_reject": 0.05}
TAUGHT, GOOD, BAD = 40, 60, 40  # cells


@dataclass(frozen=True)
class Site:
    """The address of the console, a client of the API behind it, and the service itself."""

    url: str
    client: Client
    service: Service

    def page(self, *parts: object) -> str:
        """The address of a page of the console."""
        return "/".join([f"{self.url}/console", *map(str, parts)])

    @contextmanager
    def held_comparison(self) -> Iterator[None]:
        """As if a comparison ran while the block lasts."""
        asyncio.run_coroutine_threadsafe(
            self.service.inspecting.comparing.acquire(), self.service.life.loop
        ).result()
        try:
            yield
        finally:
            self.service.life.loop.call_soon_threadsafe(self.service.inspecting.comparing.release)


@contextmanager
def site(folder: Path, backbone: Backbone | None = None, **settings: Any) -> Iterator[Site]:
    """A server with its build worker in threads, until the block ends."""
    chosen = Settings(data_dir=folder, backbone="efficientnet-lite2", image_keep="all", **settings)
    application = create_app(chosen, backbone, worker=False)
    with _worker(chosen, backbone), socket.create_server(("127.0.0.1", 0)) as listening:
        config = uvicorn.Config(application, lifespan="on", log_config=None, ws="websockets-sansio")
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, args=([listening],), name="server")
        thread.start()
        url = f"http://127.0.0.1:{listening.getsockname()[1]}"
        try:
            with Client(url) as client:
                client.wait_until_ready()
                yield Site(url, client, application.state.service)
        finally:
            server.should_exit = True
            thread.join()


@contextmanager
def _worker(settings: Settings, backbone: Backbone | None) -> Iterator[None]:
    store = Store(settings)
    worker = Worker(settings, store, "test", lambda: Backbones(settings, backbone))
    thread = threading.Thread(target=worker.run, name="worker")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(app.learning.worker, "IDLE_SECONDS", 0.05)
        thread.start()
        try:
            yield
        finally:
            worker.stop()
            thread.join()
            store.close()


def fill(client: Client) -> None:
    """A bank ``cells``: 40 taught, 100 inspected, most reviewed as the experts judged; then version 2, not active."""
    split = elpv_split()
    client.create_bank("cells", "Solar cells, front", config=CONFIG)
    client.upload_images("cells", list(split.train[:TAUGHT]))
    client.build("cells", groups="none", seconds=300)
    for i, cell in enumerate([*split.test_good[:GOOD], *split.defective[:BAD]]):
        defective = i >= GOOD
        seen = client.inspect("cells", cell, serial=f"SC-{4000 + i}", station="line 1")
        if i % 4 == 3:
            continue
        if defective:
            client.review(seen.id, "missed_defect" if seen.decision == "accept" else "confirmed_defect")
        elif seen.decision != "accept":
            client.review(seen.id, "false_alarm", "clean under the lamp")
            client.add_false_alarm(seen.id)
    client.upload_images("cells", list(split.train[TAUGHT : 2 * TAUGHT]))
    client.build("cells", activate=False, groups="none", seconds=300)
    now = client.get_bank("cells")
    near = client.explore_thresholds("cells").thresholds.reject
    client.update_bank(
        "cells", reject_threshold=round(1.02 * near, 3), review_threshold=round(0.97 * near, 3),
        note="Dust on the conveyor gave false alarms; a band for the inspector.", revision=now.revision,
    )  # fmt: skip
