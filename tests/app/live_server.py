"""The real service on a loopback port, in threads of the test: tiny backbone, build worker and all."""

from __future__ import annotations

import io
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import uvicorn
from fakes import random_backbone
from fastapi import FastAPI
from PIL import Image

import app.learning.worker
from app.cli.serve import config_of
from app.inspection.backbones import Backbones
from app.learning.worker import Worker
from app.main import create_app
from app.settings import Settings
from app.store.store import Store
from nominal_client import Client

SMALL = {"input": {"size": 64}, "coreset_ratio": 0.2, "target_false_reject": 0.1}
"""A bank's config with which twelve images are built in no time."""


@dataclass(frozen=True)
class Live:
    """A server that runs, and the application it serves."""

    url: str
    application: FastAPI


@contextmanager
def live_server(directory: Path, **settings: Any) -> Iterator[Live]:
    """The service over ``directory``, warm or not yet, until the block ends."""
    chosen = Settings(data_dir=directory, **{"console": False, **settings})
    with application(chosen) as served, socket.create_server(("127.0.0.1", 0)) as listening:
        server = uvicorn.Server(config_of(chosen, served))
        thread = threading.Thread(target=server.run, args=([listening],), name="server")
        thread.start()
        try:
            yield Live(f"http://127.0.0.1:{listening.getsockname()[1]}", served)
        finally:
            server.should_exit = True
            thread.join()


@contextmanager
def taught_server(folder: Path) -> Iterator[Client]:
    """A client of a server with the bank ``caps``, built from twelve images."""
    with live_server(folder / "data") as live, Client(live.url) as client:
        teach(client, folder)
        yield client


def teach(client: Client, folder: Path) -> None:
    """Once the server is warm, build the bank ``caps`` of twelve images, which the folder takes."""
    client.wait_until_ready()
    client.create_bank("caps", "Bottle caps", config=SMALL)
    client.upload_images("caps", write_pictures(folder / "good", 12))
    client.build("caps", seconds=60)


@contextmanager
def application(settings: Settings) -> Iterator[FastAPI]:
    """The application, and a worker in a thread that builds for it."""
    backbone = random_backbone()
    served = create_app(settings, backbone, worker=False)
    store = Store(settings)
    worker = Worker(settings, store, "test", lambda: Backbones(settings, backbone))
    thread = threading.Thread(target=worker.run, name="worker")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(app.learning.worker, "IDLE_SECONDS", 0.05)
        thread.start()
        try:
            yield served
        finally:
            worker.stop()
            thread.join()
            store.close()


def picture(seed: int, side: int = 64, flaw: bool = False) -> bytes:
    """A grey PNG with a soft grain, in which a flaw is a black square."""
    rng = np.random.default_rng(seed)
    pixels = (128 + 8 * rng.standard_normal((side, side))).clip(0, 255).astype(np.uint8)
    if flaw:
        pixels[side // 3 : side // 2, side // 3 : side // 2] = 0
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


def write_pictures(folder: Path, count: int, first: int = 0) -> Path:
    """A folder of nominal pictures."""
    folder.mkdir(parents=True, exist_ok=True)
    for i in range(first, first + count):
        (folder / f"{i:03d}.png").write_bytes(picture(i))
    return folder
