"""The client as a distribution of its own: its wheel, what it needs, and what the server's package has of it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tomllib
import zipfile
from importlib.metadata import distribution
from pathlib import Path

import pytest
from live_server import live_server, picture
from packaging.requirements import Requirement

import app
import app.client
import nominal_client

ROOT = Path(__file__).parents[3]
SMALL = ROOT / "clients/python"
LITTER = shutil.ignore_patterns("__pycache__", "build", "*.egg-info")


def wheel(project: Path, folder: Path) -> zipfile.ZipFile:
    """The wheel of a project, made without a network."""
    command = [
        sys.executable,
        "-m",
        "pip",
        "wheel",
        "-q",
        "--no-deps",
        "--no-build-isolation",
        "-w",
        folder,
        project,
    ]
    subprocess.run(command, check=True)
    (made,) = folder.glob("*.whl")
    return zipfile.ZipFile(made)


def modules(archive: zipfile.ZipFile) -> dict[str, bytes]:
    return {name: archive.read(name) for name in archive.namelist() if name.startswith("nominal_client/")}


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    copy = shutil.copytree(SMALL, tmp_path_factory.mktemp("small") / "python", ignore=LITTER)
    return wheel(copy, tmp_path_factory.mktemp("wheel"))


def test_the_wheel_holds_the_typed_client_and_needs_httpx_and_pydantic_only(small: zipfile.ZipFile) -> None:
    sources = {path.relative_to(SMALL).as_posix() for path in (SMALL / "nominal_client").rglob("*.py")}
    assert modules(small).keys() == sources | {"nominal_client/py.typed"}
    (metadata,) = (name for name in small.namelist() if name.endswith(".dist-info/METADATA"))
    lines = small.read(metadata).decode().splitlines()
    needs = {Requirement(line.partition(": ")[2]).name for line in lines if line.startswith("Requires-Dist")}
    assert needs == {"httpx", "pydantic"}
    assert f"Version: {app.__version__}" in lines


def test_the_servers_wheel_holds_the_same_client(small: zipfile.ZipFile, tmp_path: Path) -> None:
    copy = tmp_path / "project"
    copy.mkdir()
    for name in ("app", "core", "models", "clients"):
        shutil.copytree(ROOT / name, copy / name, ignore=LITTER)
    for name in ("pyproject.toml", "README.md"):
        shutil.copy(ROOT / name, copy)
    assert modules(wheel(copy, tmp_path / "wheel")) == modules(small)


SCRIPT = """
import asyncio, sys
from pathlib import Path
import nominal_client
from nominal_client import AsyncClient, BadArgument, Client, map_array

url, folder = sys.argv[1], Path(sys.argv[2])
with Client(url) as client:
    client.wait_until_ready()
    client.create_bank("caps")
    print(client.upload_images("caps", folder).accepted, client.get_bank("caps").nominal_images)
    for image in (1, None):
        try:
            client.inspect("caps", image)
        except BadArgument as error:
            print(error.received)
    try:
        map_array(b"")
    except BadArgument as error:
        print(error.remedy)

async def names():
    async with AsyncClient(url) as client:
        return [image.name async for image in client.list_images("caps")]

print(asyncio.run(names()))
print(sorted({"app", "core", "models", "numpy", "PIL", "torch", "fastapi"} & sys.modules.keys()))
"""


def test_it_works_where_nothing_but_its_requirements_is_installed(
    small: zipfile.ZipFile, tmp_path: Path
) -> None:
    site = tmp_path / "site"
    small.extractall(site)
    for name in needed("httpx", "pydantic"):
        for top in {file.parts[0] for file in distribution(name).files or () if ".." not in file.parts}:
            (site / top).symlink_to(str(distribution(name).locate_file(top)))
    photos = tmp_path / "photos"
    photos.mkdir()
    for i in range(2):
        (photos / f"{i}.png").write_bytes(picture(i))
    with live_server(tmp_path / "data") as live:
        command = [sys.executable, "-S", "-W", "error", "-c", SCRIPT, live.url, photos]
        environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
        done = subprocess.run(
            command, cwd=site, env=environment, capture_output=True, text=True, check=False, timeout=120
        )
    assert done.stderr == ""
    assert done.stdout.splitlines() == [
        "2 2", "builtins.int", "builtins.NoneType",
        "Run pip install numpy; map_array is the only part of the client that needs it.",
        "['0.png', '1.png']", "[]",
    ]  # fmt: skip


def needed(*names: str) -> set[str]:
    """These distributions and those that they require, without extras."""
    found, waiting = set[str](), [*names]
    while waiting:
        name = waiting.pop()
        if name in found:
            continue
        found.add(name)
        for text in distribution(name).requires or ():
            each = Requirement(text)
            if each.marker is None or each.marker.evaluate({"extra": ""}):
                waiting.append(each.name)
    return found


def test_its_requirements_are_bounded_as_the_servers_are() -> None:
    own = tomllib.loads((SMALL / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    servers = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert set(own["dependencies"]) <= set(servers["dependencies"])
    assert own["requires-python"] == servers["requires-python"]


def test_earlier_programs_find_the_client_where_it_was() -> None:
    assert app.client.NominalClient is nominal_client.Client
    assert app.client.AsyncNominalClient is nominal_client.AsyncClient
    assert app.__version__ == nominal_client.__version__
    names = {"Client" if name == "NominalClient" else name for name in app.client.__all__}
    assert {name.replace("AsyncNominal", "Async") for name in names} == {*nominal_client.__all__} - {
        "__version__"
    }
