"""A client of the service, for programs::

    from app.client import NominalClient

    with NominalClient("http://127.0.0.1:8000") as client:
        print(client.inspect("screws", Path("part.png")).decision)

``AsyncNominalClient`` has the same methods to be awaited; lists are read with ``async for``.
"""

from app.client.client import AsyncNominalClient, NominalClient
from app.client.errors import (
    BadArgument,
    BuildFailed,
    ClientError,
    ConnectionFailed,
    ProblemError,
    Retries,
    UnexpectedAnswer,
    WaitedTooLong,
)
from app.client.inspections import map_array, picture_bytes

__all__ = [
    "AsyncNominalClient",
    "BadArgument",
    "BuildFailed",
    "ClientError",
    "ConnectionFailed",
    "NominalClient",
    "ProblemError",
    "Retries",
    "UnexpectedAnswer",
    "WaitedTooLong",
    "map_array",
    "picture_bytes",
]
