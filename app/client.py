"""The client of earlier programs; new ones import nominal_client, which is the same and needs nothing of the server."""

from nominal_client import (
    AsyncClient,
    BadArgument,
    BuildFailed,
    Client,
    ClientError,
    ConnectionFailed,
    FolderError,
    ProblemError,
    Retries,
    UnexpectedAnswer,
    WaitedTooLong,
    map_array,
    picture_bytes,
)

AsyncNominalClient, NominalClient = AsyncClient, Client

__all__ = [
    "AsyncNominalClient",
    "BadArgument",
    "BuildFailed",
    "ClientError",
    "ConnectionFailed",
    "FolderError",
    "NominalClient",
    "ProblemError",
    "Retries",
    "UnexpectedAnswer",
    "WaitedTooLong",
    "map_array",
    "picture_bytes",
]
