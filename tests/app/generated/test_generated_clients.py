"""Clients that openapi-python-client and openapi-generator make of /openapi.json do the main job on a live server."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from live_server import live_server, picture, write_pictures

pytestmark = pytest.mark.generated
HERE = Path(__file__).parent
FOUND = {
    "uploaded": [12, 0],
    "built": ["succeeded", 1],
    "inspected": ["flawed.png", "reject", "S-1"],
    "batch": [["flawed.png", "reject"], ["000.png", "accept"], ["notes.txt", None]],
    "problem": "/problems/image-format",
    "reviewed": [1, "confirmed_defect", "confirmed_defect"],
    "overlay": b"\x89PNG".hex(),
    "refused": "/problems/not-found",
}


def program(name: str) -> str:
    """A generator's, which `make test-generated` installs; skips where there is none."""
    found = shutil.which(name, path=str(HERE / ".venv/bin")) or shutil.which(name)
    if found is None:
        pytest.skip(f"needs {name}: run 'make test-generated'")
    return found


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with live_server(tmp_path_factory.mktemp("data")) as live:
        yield live.url


@pytest.fixture(scope="module")
def document(url: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The server's OpenAPI document as a file."""
    path = tmp_path_factory.mktemp("document") / "openapi.json"
    path.write_bytes(httpx.get(f"{url}/openapi.json").raise_for_status().content)
    return path


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A folder of good images, and a flawed one."""
    folder = tmp_path_factory.mktemp("photos")
    (folder / "flawed.png").write_bytes(picture(99, flaw=True))
    return write_pictures(folder / "good", 12), folder / "flawed.png"


def test_openapi_python_client_makes_a_client_that_does_the_main_job(
    url: str, document: Path, photos: tuple[Path, Path], tmp_path: Path
) -> None:
    generator = program("openapi-python-client")
    target = tmp_path / "nominal_openapi_python_client"
    options = ["--path", document, "--output-path", target, "--meta", "none"]
    made = subprocess.run([generator, "generate", *options], capture_output=True, text=True)
    assert made.returncode == 0, made.stdout + made.stderr
    made_operations = {path.stem for path in target.glob("api/*/*.py")} - {"__init__"}
    assert made_operations == operations(document)
    assert used("use_openapi_python_client.py", tmp_path, url, photos) == FOUND


def test_openapi_generator_makes_a_client_that_does_the_main_job(
    url: str, document: Path, photos: tuple[Path, Path], tmp_path: Path
) -> None:
    generator = program("openapi-generator-cli")
    options = ["-g", "python", "-i", document, "-o", tmp_path, "--package-name", "nominal_openapi_generator"]
    made = subprocess.run([generator, "generate", *options], capture_output=True, text=True)
    assert made.returncode == 0, made.stdout + made.stderr
    assert used("use_openapi_generator.py", tmp_path, url, photos) == FOUND


def operations(document: Path) -> set[str]:
    paths = json.loads(document.read_bytes())["paths"]
    return {operation["operationId"] for path in paths.values() for operation in path.values()}


def used(script: str, generated: Path, url: str, photos: tuple[Path, Path]) -> object:
    """What a program with the generated client found."""
    done = subprocess.run(
        [sys.executable, HERE / script, url, *photos],
        env={**os.environ, "PYTHONPATH": str(generated)},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)
