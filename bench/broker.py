"""A real MQTT broker and a subscriber: Debian's mosquitto on loopback, killed and started again on the same port."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Self

from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

START_SECONDS = 20.0


def find_mosquitto() -> str | None:
    """The program, where it is installed: Debian keeps it out of people's PATH."""
    return shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin:/usr/local/sbin")


def persistent(folder: Path) -> list[str]:
    """Lines by which what the broker acknowledged survives a kill, with the sessions of its subscribers."""
    kept = [
        "persistence true",
        f"persistence_location {folder}/",
        "autosave_on_changes true",
        "autosave_interval 1",
    ]
    return ["allow_anonymous true", *kept, "max_queued_messages 0", "max_inflight_messages 0"]


class Broker:
    """Started with its block. lines: of its configuration, after the listener; what is kept survives a kill."""

    def __init__(self, folder: Path, *lines: str) -> None:
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = int(probe.getsockname()[1])
        folder.mkdir(parents=True, exist_ok=True)
        said = [f"listener {self.port} 127.0.0.1", *(lines or ["allow_anonymous true"])]
        if os.geteuid() == 0:
            said.append("user root")  # or it leaves for a user who may not read the folder
        (folder / "mosquitto.conf").write_text("\n".join(said) + "\n")

    def start(self) -> None:
        """Returns once it takes connections."""
        program = find_mosquitto()
        assert program is not None
        command = [program, "-c", str(self._folder / "mosquitto.conf")]
        with (self._folder / "log").open("ab") as log:
            self._process = subprocess.Popen(command, stdout=log, stderr=log)
        end = time.monotonic() + START_SECONDS
        while True:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self.port)) == 0:
                    return
            if self._process.poll() is not None or time.monotonic() > end:
                raise RuntimeError((self._folder / "log").read_text(errors="replace"))
            time.sleep(0.02)

    def kill(self) -> None:
        """SIGKILL."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        self.kill()


class Subscriber:
    """Hears every message of some topics, and stays across kills of the broker: its session is kept by the broker."""

    def __init__(self, port: int, topic: str, heard: Callable[[MQTTMessage], None]) -> None:
        self._client = Client(
            CallbackAPIVersion.VERSION2,
            "subscriber",
            clean_session=False,
            protocol=MQTTProtocolVersion.MQTTv311,
        )
        self._client.reconnect_delay_set(1, 1)
        self._client.on_connect = lambda client, *_: client.subscribe(topic, 1)
        self._subscribed: list[int] = []
        self._client.on_subscribe = lambda _c, _u, mid, *_: self._subscribed.append(mid)
        self._client.on_message = lambda _c, _u, message: heard(message)
        self._client.connect("127.0.0.1", port)

    def __enter__(self) -> Self:
        self._client.loop_start()
        while not self._subscribed:
            time.sleep(0.01)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        self._client.disconnect()
        self._client.loop_stop()
