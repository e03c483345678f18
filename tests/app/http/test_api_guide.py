"""docs/api.md and README.md: every example runs as it stands and says what the page shows."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from docs_blocks import agrees, examples, run
from live_server import live_server, picture, write_pictures

from app.main import ROUTERS
from nominal_client import Client

ROOT = Path(__file__).parents[3]
GUIDE = (ROOT / "docs/api.md").read_text(encoding="utf-8")
README = (ROOT / "README.md").read_text(encoding="utf-8")
ADDRESS = "http://127.0.0.1:8000"


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """A folder with the photographs that the guide speaks of."""
    write_pictures(tmp_path / "photos" / "good", 12)
    new = tmp_path / "photos" / "new"
    new.mkdir()
    (new / "good.png").write_bytes(picture(50))
    (new / "scratched.png").write_bytes(picture(51, flaw=True))
    (new / "reflection.png").write_bytes(picture(52, flaw=True))
    (new / "notes.txt").write_text("no image")
    return tmp_path


@pytest.mark.skipif(not all(map(shutil.which, ("bash", "curl", "zip"))), reason="needs bash, curl and zip")
@pytest.mark.parametrize(("page", "least"), [(GUIDE, 21), (README, 2)], ids=["api", "readme"])
def test_every_example_runs_and_says_what_the_page_shows(
    page: str, least: int, photos: Path, tmp_path: Path
) -> None:
    environment = {
        k: v for k, v in os.environ.items() if not k.startswith("NOMINAL_") and "proxy" not in k.lower()
    }
    names: dict[str, Any] = {}
    with live_server(tmp_path / "data") as live, _closed(names):
        _wait(live.url)
        found = examples(page.replace(ADDRESS, live.url))
        assert len(found) >= least
        for example in found:
            said = run(example, photos, environment, names)
            for shown, output in zip(example.shown, said, strict=True):
                assert shown is None or agrees(shown, output), (
                    f"line {example.line} shows\n{shown}\nand it says\n{output}"
                )


@contextmanager
def _closed(names: dict[str, Any]) -> Iterator[None]:
    """Close the guide's client, also where an example before its end failed."""
    try:
        yield
    finally:
        if "client" in names:
            names["client"].close()


def _wait(url: str) -> None:
    with Client(url) as client:
        client.wait_until_ready()


def test_the_guide_names_no_path_that_the_service_has_not() -> None:
    paths = {route.path for router in ROUTERS for route in router.routes}
    patterns = [re.compile(re.sub(r"\{\w+\}", r"[^/]+", path)) for path in paths]
    named = set(re.findall(r"(?:GET|POST|PATCH|DELETE) (/[\w/{}.-]+)", GUIDE))
    named |= set(re.findall(rf"{ADDRESS}(/[\w/.$-]+)", GUIDE))
    assert len(named) > 10
    assert [path for path in named if not any(pattern.fullmatch(path) for pattern in patterns)] == []


@pytest.mark.parametrize(
    ("shown", "said", "same"),
    [("a...b", "a 1\n2 b\n", True), ("a...b", "a c", False), ("{1}", "{1}", True), ("{1}", "{11}", False)],
)
def test_three_dots_stand_for_anything(shown: str, said: str, same: bool) -> None:
    assert agrees(shown, said) is same
