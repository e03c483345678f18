"""``nominal serve`` as a process, and what browser tests put into it over HTTP."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

import httpx
from service_kit import wait_until

START_SECONDS = 300.0  # two processes import torch on a machine that may be busy


@dataclass
class Server:
    """A server over a folder; may be stopped and started again on its port."""

    folder: Path
    port: int = 0
    url: str = ""
    settings: dict[str, str] = field(default_factory=dict)
    _process: subprocess.Popen[str] | None = None

    def start(self) -> Server:
        """Ready when this returns."""
        environment = {
            **os.environ,
            "NOMINAL_DATA_DIR": str(self.folder / "data"),
            "NOMINAL_BACKBONE": "efficientnet-lite2",
            "NOMINAL_DISK_RESERVE_BYTES": "0",
            "NOMINAL_IMAGE_KEEP": "all",
            "NOMINAL_LOG_JSON": "false",
            **self.settings,
        }
        log = self.folder / "log"
        command = [sys.executable, "-m", "app.cli", "serve", "--port", str(self.port)]
        with log.open("w") as file:
            self._process = subprocess.Popen(command, env=environment, stderr=file, text=True)
        wait_until(lambda: bool(self._listening(log)), START_SECONDS)
        wait_until(self._ready, START_SECONDS)
        return self

    def stop(self) -> None:
        """Drained, or killed after a while."""
        if self._process is not None:
            self._process.terminate()
            try:
                self._process.wait(60)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
            self._process = None

    def key(self, role: str) -> str:
        """The text of a new API key."""
        command = [sys.executable, "-m", "app.cli", "keys", "create", role, "--role", role]
        environment = os.environ | {"NOMINAL_DATA_DIR": str(self.folder / "data")}
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
        (text,) = re.findall(r"nominal_[0-9a-f]{12}_[A-Za-z0-9_-]{43}", done.stdout)
        return str(text)

    def teach(self, bank: str, images: list[Path], **values: object) -> None:
        """A bank with an active version."""
        with httpx.Client(base_url=self.url, timeout=300) as client:
            client.post("/v1/banks", json={"id": bank, **values}).raise_for_status()
            files = [("file", (path.name, path.read_bytes())) for path in images]
            client.post(f"/v1/banks/{bank}/images", files=files).raise_for_status()
            job = (
                client.post(f"/v1/banks/{bank}/builds", json={"groups": "none"})
                .raise_for_status()
                .json()["id"]
            )
            wait_until(
                lambda: client.get(f"/v1/jobs/{job}").json()["state"] not in ("queued", "running"), 300
            )
            assert client.get(f"/v1/jobs/{job}").json()["state"] == "succeeded"

    def inspect(self, bank: str, images: list[Path]) -> list[dict[str, object]]:
        """The answers, in order."""
        with httpx.Client(base_url=self.url, timeout=300) as client:
            return [
                client.post(
                    f"/v1/banks/{bank}/inspect", files={"file": (path.name, path.read_bytes())}
                ).json()
                for path in images
            ]

    def _listening(self, log: Path) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, log.read_text()
        found = re.findall(r"Listening on http://127.0.0.1:(\d+)", log.read_text())
        if found:
            self.port, self.url = int(found[0]), f"http://127.0.0.1:{found[0]}"
        return bool(found)

    def _ready(self) -> bool:
        try:
            return httpx.get(f"{self.url}/readyz").status_code == 200
        except httpx.TransportError:
            return False
