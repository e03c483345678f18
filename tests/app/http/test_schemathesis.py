"""The whole API against its own OpenAPI document, by schemathesis: no 500, no undocumented answer.

Requests are drawn from the document, valid and invalid, the same in every run. Ids in paths are mostly those of
things that exist, so that what lies behind a 404 is reached too.
"""

from __future__ import annotations

import os
import socket
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
import requests
import schemathesis
import uvicorn
from fakes import random_backbone
from fastapi import FastAPI
from hypothesis import HealthCheck, settings
from schemathesis import Case
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)
from service_kit import PNG, settings_in, wait_until

from app.imaging.pictures import encode_png
from app.main import create_app
from bench import contract_hooks  # noqa: F401  files of each media type

EXAMPLES = int(os.environ.get("NOMINAL_TEST_EXAMPLES", "6"))  # an operation
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
    response_headers_conformance,
]


@dataclass(frozen=True)
class Ground:
    """A warm server, a session with an admin's key, and ids of things that exist, by the path parameter's name."""

    url: str
    session: requests.Session
    ids: dict[str, str]


def document() -> dict[str, Any]:
    """The OpenAPI document; nothing is opened for it."""
    return create_app(settings_in(Path(tempfile.gettempdir()) / "never"), random_backbone()).openapi()


schema = schemathesis.openapi.from_dict(document())


@contextmanager
def served(app: FastAPI) -> Iterator[str]:
    """The application on a loopback port."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        server = uvicorn.Server(uvicorn.Config(app, lifespan="on", log_config=None, ws="none"))
        thread = threading.Thread(target=server.run, args=([listening],), name="server")
        thread.start()
        try:
            yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join()


@pytest.fixture(scope="module")
def ground(
    tmp_path_factory: pytest.TempPathFactory, images: list[np.ndarray], bank_file: bytes
) -> Iterator[Ground]:
    chosen = settings_in(tmp_path_factory.mktemp("contract"), image_keep="all")
    with served(create_app(chosen, random_backbone(), worker=False)) as url, requests.Session() as session:
        with httpx.Client(base_url=url) as client:
            wait_until(lambda: client.get("/readyz").status_code == 200)
            ids = furnish(client, [encode_png(image) for image in images], bank_file)
            session.headers["X-API-Key"] = client.post(
                "/v1/keys", json={"name": "a", "role": "admin"}
            ).json()["key"]
        yield Ground(url, session, ids)


def furnish(client: httpx.Client, pngs: list[bytes], bank_file: bytes) -> dict[str, str]:
    """One of everything, by the name that paths give it."""
    client.post("/v1/banks", json={"id": "caps", "config": {"target_false_reject": 0.2}})
    said = client.post(
        "/v1/banks/caps/images", files=[("file", (f"{i}", png)) for i, png in enumerate(pngs)]
    ).json()
    client.post("/v1/banks/caps/import", params={"activate": True}, content=bank_file)
    client.post("/v1/banks/caps/import", content=bank_file)
    job = client.post("/v1/banks/caps/builds").json()["id"]
    client.post(f"/v1/jobs/{job}/cancel")  # so that its events end
    return {
        "bank": "caps",
        "sha256": said["files"][0]["sha256"],
        "version": "1",
        "job": job,
        "inspection": client.post("/v1/banks/caps/inspect", content=pngs[0], headers=PNG).json()["id"],
        "slug": "queue-full",
    }


@schema.parametrize()
@settings(
    max_examples=EXAMPLES,
    derandomize=True,
    database=None,
    deadline=None,
    suppress_health_check=[*HealthCheck],
)
def test_every_operation_keeps_to_its_document(case: Case, ground: Ground) -> None:
    """Two of three requests name what exists; what would destroy it keeps the id that was drawn."""
    destroys = case.method == "DELETE"
    if not destroys and hash_of(case) % 3:
        for name in case.path_parameters:
            case.path_parameters[name] = ground.ids.get(name, case.path_parameters[name])
    case.call_and_validate(base_url=ground.url, session=ground.session, checks=CHECKS, timeout=30)


def hash_of(case: Case) -> int:
    """The same in every run."""
    return sum(repr((case.path_parameters, case.query, case.body)).encode())
