"""A client of a Nominal server, for programs::

    from nominal_client import Client

    with Client("http://127.0.0.1:8000") as client:
        print(client.inspect("screws", "part.png").decision)

``AsyncClient`` has the same methods to be awaited; lists are read with ``async for``. What answers hold is in
``nominal_client.answers``.
"""

from nominal_client.call import __version__
from nominal_client.client import AsyncClient, Client
from nominal_client.errors import (
    BadArgument,
    BuildFailed,
    ClientError,
    ConnectionFailed,
    FolderError,
    ProblemError,
    Retries,
    UnexpectedAnswer,
    WaitedTooLong,
)
from nominal_client.inspections import map_array, picture_bytes

__all__ = [
    "AsyncClient",
    "BadArgument",
    "BuildFailed",
    "Client",
    "ClientError",
    "ConnectionFailed",
    "FolderError",
    "ProblemError",
    "Retries",
    "UnexpectedAnswer",
    "WaitedTooLong",
    "__version__",
    "map_array",
    "picture_bytes",
]
