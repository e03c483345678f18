"""Where a camera's pictures come from: a still over HTTP, a stream or a USB camera by OpenCV, GenICam by harvesters.

An ``Eye`` is used by one thread only. What a picture is inspected as are the bytes of a file: a still's own, a lossless
PNG of a frame that came as pixels. Every ``look`` gives a picture that was not taken before it was asked for, but of a
recording, which is read in order.
"""

from __future__ import annotations

import importlib
import os
import threading
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import urlsplit, urlunsplit

import httpx
import numpy as np
from jaxtyping import UInt8

from app.errors import CameraFault, CameraKindUnavailable
from app.settings import Camera
from core.registration.keypoints import opencv

PRODUCERS = "GENICAM_GENTL64_PATH"  # folders of GenTL producers (EMVA GenTL 1.6, 3.2.2)
LIVE = ("rtsp", "rtsps", "usb", "stream+http", "stream+https")
Pixels = UInt8[np.ndarray, "h w 3"]  # blue, green, red


class Eye(Protocol):
    """Opened once, looked at any number of times, closed; by one thread."""

    def open(self) -> None:
        """Raises CameraFault, CameraKindUnavailable."""

    def look(self) -> bytes:
        """A picture as a file. Raises CameraFault."""

    def close(self) -> None:
        """Harmless after a failed ``open``."""


def eye_of(camera: Camera, most_bytes: int) -> Eye:
    """Not yet open."""
    if camera.scheme in ("http", "https"):
        return Still(camera, most_bytes)
    return Genicam(camera) if camera.scheme == "genicam" else Video(camera)


def place_of(camera: Camera) -> str:
    """Its address without name and password, and without a query, which may hold them too."""
    text = camera.url.get_secret_value()
    parts = urlsplit(text)
    if not parts.hostname:
        return text
    host = parts.hostname if parts.port is None else f"{parts.hostname}:{parts.port}"
    return urlunsplit((parts.scheme, host, parts.path, "", ""))


class Still:
    """A picture that a camera's web server gives; no redirect is followed."""

    def __init__(self, camera: Camera, most_bytes: int) -> None:
        self._camera, self._most = camera, most_bytes
        self._client: httpx.Client | None = None

    def open(self) -> None:
        self._client = httpx.Client(timeout=self._camera.timeout_seconds, trust_env=False)

    def look(self) -> bytes:
        assert self._client is not None
        try:
            with self._client.stream("GET", self._camera.url.get_secret_value()) as response:
                if response.status_code != 200:
                    raise fault(
                        self._camera, f"status {response.status_code}", "Check the picture's address."
                    )
                return self._read(response)
        except httpx.HTTPError as error:
            raise gone(self._camera, f"{type(error).__name__}: {error}"[:300]) from error

    def close(self) -> None:
        if self._client is not None:
            self._client.close()

    def _read(self, response: httpx.Response) -> bytes:
        body = bytearray()
        for chunk in response.iter_bytes():
            body += chunk
            if len(body) > self._most:
                raise fault(
                    self._camera, f"a picture of more than {self._most:,} bytes", "Have it send smaller ones."
                )
        return bytes(body)


class Video:
    """A stream, a USB camera or a recording. A stream is read all the time, so that no picture is an old one."""

    def __init__(self, camera: Camera) -> None:
        self._camera = camera
        self._capture: Any = None
        self._new, self._count, self._frame = threading.Condition(), 0, None
        self._over = False
        self._reader: threading.Thread | None = None

    def open(self) -> None:
        cv2, text = opencv(), self._camera.url.get_secret_value()
        if self._camera.scheme == "usb":
            self._capture = cv2.VideoCapture(int(text.partition(":")[2]))
        else:
            place = urlsplit(text).path if self._camera.scheme == "file" else text.removeprefix("stream+")
            patience = int(self._camera.timeout_seconds * 1000)
            limits = [cv2.CAP_PROP_OPEN_TIMEOUT_MSEC, patience, cv2.CAP_PROP_READ_TIMEOUT_MSEC, patience]
            self._capture = cv2.VideoCapture(place, cv2.CAP_FFMPEG, limits)
        if not self._capture.isOpened():
            raise gone(self._camera, "no connection, or no video that OpenCV reads")
        if self._camera.scheme in LIVE:
            self._reader = threading.Thread(
                target=self._read, name=f"camera {self._camera.name}", daemon=True
            )
            self._reader.start()

    def look(self) -> bytes:
        frame = self._next() if self._reader is not None else self._capture.read()[1]
        if frame is None:
            raise gone(self._camera, "no picture, or the end of the recording")
        return png_of(frame)

    def close(self) -> None:
        self._over = True
        if self._reader is not None:
            self._reader.join(2 * self._camera.timeout_seconds)
        if self._capture is not None:
            self._capture.release()

    def _next(self) -> Pixels | None:
        with self._new:
            seen = self._count
            self._new.wait_for(lambda: self._count > seen or self._over, self._camera.timeout_seconds)
            return self._frame if self._count > seen else None

    def _read(self) -> None:
        while not self._over:
            good, frame = self._capture.read()
            with self._new:
                self._frame, self._count = frame if good else None, self._count + 1
                self._new.notify_all()
            if not good:
                return


class Genicam:
    """A camera of machine vision, by a vendor's GenTL producer (harvesters)."""

    def __init__(self, camera: Camera) -> None:
        self._camera = camera
        self._harvester: Any = None
        self._acquirer: Any = None

    def open(self) -> None:
        serial = self._camera.url.get_secret_value().partition(":")[2]
        try:
            self._harvester = importlib.import_module("harvesters.core").Harvester()
        except ImportError as error:
            raise CameraKindUnavailable(
                requirement="a GenICam camera needs the package harvesters",
                received="an installation without it",
                remedy="Install it: pip install 'nominal-inspection[genicam]', and start the server again.",
            ) from error
        folders = [Path(each) for each in os.environ.get(PRODUCERS, "").split(os.pathsep) if each]
        producers = [path for folder in folders for path in sorted(folder.glob("*.cti"))]
        if not producers:
            raise CameraKindUnavailable(
                requirement="a GenICam camera needs a GenTL producer, which its vendor has",
                received=f"no .cti file in the folders of {PRODUCERS}",
                remedy="Install the vendor's package, which sets that variable for the server's user.",
            )
        try:
            for path in producers:
                self._harvester.add_file(str(path))
            self._harvester.update()
            self._acquirer = self._harvester.create({"serial_number": serial} if serial else 0)
            self._acquirer.start()
        except Exception as error:  # whatever a producer raises
            raise gone(self._camera, f"{type(error).__name__}: {error}"[:300]) from error

    def look(self) -> bytes:
        try:
            with self._acquirer.fetch(timeout=self._camera.timeout_seconds) as buffer:
                part = buffer.payload.components[0]
                shape = (part.height, part.width, -1)
                return png_of(np.array(part.data, np.uint8).reshape(shape))
        except Exception as error:  # whatever a producer raises
            raise gone(self._camera, f"{type(error).__name__}: {error}"[:300]) from error

    def close(self) -> None:
        for part, end in ((self._acquirer, "destroy"), (self._harvester, "reset")):
            if part is not None:
                getattr(part, end)()


def png_of(pixels: np.ndarray) -> bytes:
    """A file that holds these pixels exactly: grey, or blue, green and red."""
    cv2 = opencv()
    _, data = cv2.imencode(".png", pixels, [cv2.IMWRITE_PNG_COMPRESSION, 1])
    return bytes(data)


def gone(camera: Camera, received: str) -> CameraFault:
    """It does not answer."""
    return fault(camera, received, "Check its power, cable and address.")


def fault(camera: Camera, received: str, remedy: str) -> CameraFault:
    """What a camera gave in place of a picture."""
    return CameraFault(
        requirement=f"the camera {camera.name} at {place_of(camera)} must give a picture",
        received=received,
        remedy=remedy + " It is tried again by itself.",
    )
