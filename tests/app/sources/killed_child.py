"""A server that watches a folder and is killed right before it would move its first file."""

from __future__ import annotations

import os
import signal
import sys
import threading

from fakes import random_backbone
from starlette.testclient import TestClient

from app.main import create_app
from app.settings import Settings
from app.sources import settling


def die(*settled: object) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    settling.settle = die
    settings = Settings.model_validate_json(sys.stdin.read())
    with TestClient(create_app(settings, random_backbone(), worker=False)):
        threading.Event().wait(60)
