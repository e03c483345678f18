"""All watched folders and cameras of a server: run side by side, and how they are."""

from __future__ import annotations

import asyncio

from app.inspection.inspecting import Inspecting
from app.sources.camera import CameraSource, CameraState
from app.sources.folder import Folder, FolderState
from app.store.errors import NotFound
from app.store.ids import shown


class Sources:
    """Made by ``app.lifecycle.opening`` only. Lives on the event loop."""

    def __init__(self, inspecting: Inspecting) -> None:
        self._folders = [Folder(inspecting, watched) for watched in inspecting.settings.watch]
        self._cameras = {each.name: CameraSource(inspecting, each) for each in inspecting.settings.cameras}

    async def run(self) -> None:
        """Until the service stops."""
        folders = [folder.run() for folder in self._folders]
        await asyncio.gather(*folders, *(camera.run() for camera in self._cameras.values()))

    def states(self) -> list[FolderState]:
        """Of the folders, in the order of the setting."""
        return [folder.state() for folder in self._folders]

    def camera_states(self) -> list[CameraState]:
        """In the order of the setting."""
        return [camera.state() for camera in self._cameras.values()]

    def camera(self, name: str) -> CameraSource:
        """Raises NotFound."""
        if (found := self._cameras.get(name)) is None:
            raise NotFound(
                "the camera must be one of NOMINAL_CAMERAS",
                shown(name),
                "List the sources, or name it there.",
            )
        return found
