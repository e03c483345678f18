"""What benches of the service share: a server that is killed and started again, imaginary parts, banks of them."""

from __future__ import annotations

import io
import subprocess
import time
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx
import numpy as np
import psutil
from PIL import Image

from bench.server import Server, serve

READY_SECONDS = 180.0  # for a cold machine whose cores are busy
EMBEDDED = {"backbone": "efficientnet-lite2", "allow_fetch": "false", "image_keep": "rejected"}
"""Nothing is fetched; an accepted image is not kept, as it joins the default sample only now and then."""
AT_ONCE = {"runtime": "torch", "precision": "float32"}  # a server that starts without timing what is quickest


class Machine:
    """``nominal serve`` over one folder, as often as it is started; a context manager that starts and ends it."""

    def __init__(self, directory: Path, **settings: object) -> None:
        self._directory = directory
        self._server: Server | None = None
        self._settings = EMBEDDED | {name: str(value) for name, value in settings.items()}
        self._life = ExitStack()

    @property
    def server(self) -> Server:
        """The latest one started."""
        assert self._server is not None, "the server was never started"
        return self._server

    @property
    def is_started(self) -> bool:
        """Whether it was ever."""
        return self._server is not None

    @property
    def url(self) -> str:
        """Where it listens; another one after every start."""
        return self.server.url

    @property
    def process(self) -> subprocess.Popen[bytes]:
        """The server's; its worker is a child."""
        return self.server.process

    def start(self) -> float:
        """Starts it and waits until it is ready; the seconds that took. Raises TimeoutError where it never is."""
        started = time.monotonic()
        self._server = self._life.enter_context(serve(self._directory, **self._settings))
        while not self._is_ready():
            if self.process.poll() is not None or time.monotonic() - started > READY_SECONDS:
                raise TimeoutError(f"the server did not become ready; its log ends:\n{self.tail()}")
            time.sleep(0.05)
        return time.monotonic() - started

    def kill(self) -> None:
        """SIGKILL; its worker notices by itself."""
        self.process.kill()
        self.process.wait()
        self._life.close()

    def worker(self) -> psutil.Process | None:
        """The build worker beside it, while it lives."""
        try:
            children = psutil.Process(self.process.pid).children()
            return next((child for child in children if "app.learning.worker" in child.cmdline()), None)
        except psutil.Error:
            return None

    def tail(self, lines: int = 20) -> str:
        """The log's end."""
        return "\n".join(self.server.log.read_text(errors="replace").splitlines()[-lines:])

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        with self._life:
            if kind is None:
                self.server.stop()

    def _is_ready(self) -> bool:
        try:
            return httpx.get(f"{self.url}/readyz", timeout=5).status_code == 200
        except httpx.HTTPError:
            return False


def part(seed: int, side: int = 256, flaw: bool = False) -> bytes:
    """A PNG photograph of an imaginary striped part, its noise drawn from the seed; a flaw is a black square."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:side, :side]
    pixels = 120 + 60 * np.sin(x / 5) * np.cos(y / 9) + rng.normal(0, 6, (side, side))
    if flaw:
        at = rng.integers(0, side - side // 8, 2)
        pixels[at[0] : at[0] + side // 8, at[1] : at[1] + side // 8] = 0
    file = io.BytesIO()
    Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(file, "PNG", compress_level=1)
    return file.getvalue()


def upload(client: httpx.Client, bank: str, images: list[bytes]) -> dict[str, Any]:
    """Into the nominal set; the answer."""
    files = [("file", (f"{i}.png", data, "image/png")) for i, data in enumerate(images)]
    said: dict[str, Any] = client.post(f"/v1/banks/{bank}/images", files=files).raise_for_status().json()
    return said


def wait_for_job(client: httpx.Client, id: str, seconds: float = 300.0) -> dict[str, Any]:
    """The job once it has ended. Raises TimeoutError for one that is stuck."""
    end = time.monotonic() + seconds
    while True:
        job: dict[str, Any] = client.get(f"/v1/jobs/{id}").raise_for_status().json()
        if job["state"] not in ("queued", "running"):
            return job
        if time.monotonic() > end:
            raise TimeoutError(f"the job {id} is still {job['state']} after {seconds:g} s: {job}")
        time.sleep(0.1)


def built_bank(client: httpx.Client, bank: str, images: list[bytes], config: dict[str, Any]) -> int:
    """A new bank of these images, built and active; its version. Raises RuntimeError where the build fails."""
    client.post("/v1/banks", json={"id": bank, "config": config}).raise_for_status()
    upload(client, bank, images)
    job = wait_for_job(
        client,
        client.post(f"/v1/banks/{bank}/builds", json={"groups": "none"}).raise_for_status().json()["id"],
    )
    if job["state"] != "succeeded":
        raise RuntimeError(f"the build ended {job['state']}: {job['error']}")
    return int(job["version"])
