"""One camera: looked at by interval or trigger, each good picture inspected once, each fault by name.

Its ``Eye`` lives on a thread of its own, so that a camera that hangs holds nothing else up. A fault closes the eye; it
is opened again after a pause. A good picture that could not be inspected is kept until it is; meanwhile none is taken.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import logging
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TypeVar

from app.errors import AppError, DeadlineExceeded, ImageRefused, Overloaded, PictureRepeated
from app.imaging.decode import decode_image
from app.inspection.inspect import inspect
from app.inspection.inspecting import Answer, Asked, Inspecting
from app.inspection.waiting import Deadline
from app.settings import Camera
from app.sources.pictures import Eye, eye_of, fault, place_of
from app.sources.soundness import wrong_with
from core.errors import CoreError

ACTOR = "camera"
FIRST_PAUSE, LONGEST_PAUSE = 1.0, 30.0  # seconds after a fault
PATIENCE = 3  # timeouts of the camera after which its thread hangs

V = TypeVar("V")
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class CameraState:
    """How a camera is. inspected: pictures since the server started; repeated: that were the one before, and were not.

    fault: why it is not well now. error: the last one, and when, in ISO 8601.
    """

    source: str
    kind: str
    place: str
    bank: str
    station: str | None
    interval_seconds: float | None
    inspected: int
    repeated: int
    faults: int
    fault: str | None
    error: str | None
    error_at: str | None


class CameraSource:
    """Lives on the event loop, but for its eye."""

    def __init__(self, inspecting: Inspecting, camera: Camera) -> None:
        self.camera, self._inspecting, self._life = camera, inspecting, inspecting.life
        self._thread = ThreadPoolExecutor(1, f"camera-{camera.name}")
        self._eye: Eye | None = None
        self._turn = asyncio.Lock()
        self._last, self._same = "", 0
        self._inspected = self._repeated = self._faults = 0
        self._fault: str | None = None
        self._error: tuple[str, datetime] | None = None

    def state(self) -> CameraState:
        """As of now."""
        camera, (error, at) = self.camera, self._error or (None, None)
        said = (
            camera.name,
            camera.scheme,
            place_of(camera),
            camera.bank,
            camera.station,
            camera.interval_seconds,
        )
        numbers = self._inspected, self._repeated, self._faults
        return CameraState(*said, *numbers, self._fault, error, None if at is None else at.isoformat())

    async def run(self) -> None:
        """Until the service stops: a picture each interval, or none but by ``take``."""
        pause = FIRST_PAUSE
        try:
            while not self._life.stopping.is_set():
                if self.camera.interval_seconds is None or not self._life.ready:
                    await self._sleep(0.1)
                    continue
                due = time.monotonic() + self.camera.interval_seconds
                if await self._one():
                    pause = FIRST_PAUSE
                    await self._sleep(due - time.monotonic())
                else:
                    await self._sleep(pause)
                    pause = min(2 * pause, LONGEST_PAUSE)
        finally:
            if self._eye is not None:
                self._thread.submit(self._eye.close)
            self._thread.shutdown(wait=False)

    async def take(self) -> Answer:
        """Take a picture now and inspect it. Raises CameraFault, CameraKindUnavailable and what an inspection does."""
        async with self._turn:
            return await self._inspect(await self._picture())

    async def _one(self) -> bool:
        """A picture of the interval; False after a fault."""
        async with self._turn:
            try:
                picture = await self._picture()
            except PictureRepeated:
                return True
            except AppError:
                return False
            while not self._life.stopping.is_set():
                try:
                    await self._inspect(picture)
                    return True
                except (Overloaded, DeadlineExceeded) as error:
                    await self._sleep(getattr(error, "retry_after", FIRST_PAUSE))
                except ImageRefused:
                    return False
                except (AppError, CoreError):
                    await self._sleep(FIRST_PAUSE)
            return True

    async def _picture(self) -> bytes:
        """A good one that was not inspected. Raises CameraFault, CameraKindUnavailable."""
        try:
            picture = await self._ask(self._looked)
        except PictureRepeated:
            raise
        except AppError as error:
            await self._close()
            self._note(error)
            raise
        self._fault = None
        return picture

    def _looked(self) -> bytes:
        """On the camera's thread."""
        if self._eye is None:
            eye = eye_of(self.camera, self._inspecting.image_limits.max_bytes)
            try:
                eye.open()
            except BaseException:
                eye.close()
                raise
            self._eye = eye
        picture = self._eye.look()
        try:
            wrong = wrong_with(decode_image(picture, self._inspecting.image_limits))
        except ImageRefused as error:
            wrong = f"a damaged picture: {error.received}"
        if wrong is not None:
            raise fault(self.camera, wrong, "Check the camera's network and light.")
        self._compare(hashlib.sha256(picture).hexdigest())
        return picture

    def _compare(self, digest: str) -> None:
        """With the one before. Raises PictureRepeated, CameraFault once it is frozen."""
        most = self.camera.frozen_pictures
        self._same = self._same + 1 if digest == self._last else 1
        self._last = digest
        if not most or self._same == 1:
            return
        if self._same < most:
            self._repeated += 1
            said = fault(self.camera, "the same picture as before", "Trigger it once the part has changed.")
            raise PictureRepeated(said.requirement, said.received, said.remedy)
        received = f"the same picture {self._same} times: it has frozen"
        raise fault(self.camera, received, "Start the camera again.")

    async def _inspect(self, picture: bytes) -> Answer:
        inspecting, camera = self._inspecting, self.camera
        lane = inspecting.lane(camera.bank, f"{ACTOR}:{camera.name}")
        name = f"{camera.name} {datetime.now(UTC).isoformat(timespec='milliseconds')}"
        try:
            with inspecting.gate.enter(lane) as share:
                share.grow(len(picture))
                asked = Asked(
                    Deadline(time.monotonic() + inspecting.settings.request_timeout_seconds), ACTOR, share,
                    station=camera.station, name=name,
                )  # fmt: skip
                answer = await inspect(inspecting, camera.bank, picture, asked)
        except (AppError, CoreError) as error:
            self._note(error)
            raise
        self._fault, self._inspected = None, self._inspected + 1
        inspecting.metrics.camera_picture(camera.name, answer.row.decision)
        return answer

    async def _ask(self, work: Callable[[], V]) -> V:
        """On the camera's thread, which a camera that does not answer has for itself."""
        try:
            async with asyncio.timeout(PATIENCE * self.camera.timeout_seconds):
                return await asyncio.get_running_loop().run_in_executor(self._thread, work)
        except TimeoutError:
            raise fault(self.camera, "no answer", "Check its power, cable and address.") from None

    async def _close(self) -> None:
        eye, self._eye = self._eye, None
        if eye is not None:
            with contextlib.suppress(Exception):
                await self._ask(eye.close)

    def _note(self, error: Exception) -> None:
        said = str(error)
        if self._fault != said:
            log.warning("a camera cannot be inspected: %s", said, extra={"camera": self.camera.name})
        self._fault, self._faults = said, self._faults + 1
        self._error = said, datetime.now(UTC)
        self._inspecting.metrics.camera_picture(self.camera.name, "fault")

    async def _sleep(self, seconds: float) -> None:
        """Unless the service stops."""
        if seconds > 0:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    await self._life.stopping.wait()
