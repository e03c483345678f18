"""All watched folders of a server: run side by side, and how they are."""

from __future__ import annotations

import asyncio

from app.inspection.inspecting import Inspecting
from app.sources.folder import Folder, FolderState


class Sources:
    """Made by ``app.lifecycle.opening`` only. Lives on the event loop."""

    def __init__(self, inspecting: Inspecting) -> None:
        self._folders = [Folder(inspecting, watched) for watched in inspecting.settings.watch]

    async def run(self) -> None:
        """Until the service stops."""
        await asyncio.gather(*(folder.run() for folder in self._folders))

    def states(self) -> list[FolderState]:
        """In the order of the setting."""
        return [folder.state() for folder in self._folders]
