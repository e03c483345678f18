"""A connection to a Ray cluster that asks for tokens, of this release: anything else is refused by name.

Ray runs code for whoever reaches it, so a cluster without tokens is not one to send photographs to. This machine must
be a node of the cluster (``ray start --address``), with the token where Ray looks for it.
"""

from __future__ import annotations

import importlib
import os
import socket
from types import ModuleType

from app import __version__
from app.errors import ClusterGone, ClusterRefused

TOKEN = "RAY_AUTH_MODE"
REACH_SECONDS = 5


def connected(address: str) -> ModuleType:
    """Ray, connected to this address. Raises ClusterRefused, ClusterGone."""
    if os.environ.get(TOKEN) != "token":
        raise _refused(
            "NOMINAL_CLUSTER needs a cluster with token authentication",
            f"{TOKEN} that is not token",
            "start Ray and Nominal with RAY_AUTH_MODE=token and one token (docs/scaling.md)",
        )
    check_reachable(address)
    try:
        ray = importlib.import_module("ray")
    except ImportError:
        raise _refused(
            "NOMINAL_CLUSTER needs Ray on this machine", "none", "pip install 'nominal-inspection[cluster]'"
        ) from None
    if not ray.is_initialized():
        _connect(ray, address)
    _check_alike(ray)
    return ray


def check_reachable(address: str) -> None:
    """Whether something listens there. Raises ClusterGone."""
    host, _, port = address.rpartition(":")
    try:  # Ray itself waits for minutes
        socket.create_connection((host.strip("[]"), int(port)), REACH_SECONDS).close()
    except (OSError, ValueError, OverflowError) as error:
        raise gone(str(error)) from error


def _connect(ray: ModuleType, address: str) -> None:
    try:
        ray.init(address=address, namespace="nominal", log_to_driver=False, configure_logging=False)
    except Exception as error:  # Ray names versions, tokens and connections by bare RuntimeErrors
        said = " ".join(str(error).split())[:300]
        if "ersion" in said and "mismatch" in said:
            raise _refused(
                "the cluster must run the Ray and Python of this machine",
                said,
                "install the same on all nodes",
            ) from error
        if "oken" in said or "nauthenticated" in said.lower():
            raise _refused(
                "the cluster must know this machine's token", said, "give all nodes one token"
            ) from error
        raise gone(said) from error


def _check_alike(ray: ModuleType) -> None:
    """Whether processes of the cluster ask for a token and run this release."""
    try:
        mode, release = ray.get(ray.remote(num_cpus=0)(_told).remote(), timeout=60)
    except Exception as error:
        raise gone(" ".join(str(error).split())[:300]) from error
    if mode != "token":
        raise _refused(
            "the cluster must ask for tokens", "one that does not", "start its nodes with RAY_AUTH_MODE=token"
        )
    if release != __version__:
        raise _refused(
            f"every node must run Nominal {__version__}", f"{release}", "install one release on all nodes"
        )


def _told() -> tuple[str | None, str]:
    return os.environ.get(TOKEN), __version__


def gone(received: str) -> ClusterGone:
    """The error for a cluster that does not answer."""
    return ClusterGone(
        requirement="the cluster that NOMINAL_CLUSTER names must be reachable",
        received=received,
        remedy="start it, or unset NOMINAL_CLUSTER to build on this machine",
    )


def _refused(requirement: str, received: str, remedy: str) -> ClusterRefused:
    return ClusterRefused(requirement=requirement, received=received, remedy=remedy)
