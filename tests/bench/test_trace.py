"""The trace of requests: what counts as a call, and where each kind of request goes."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from bench import trace
from bench.way import ROOT, Tracer, Way

SOURCE = """
import asyncio

def even(numbers):
    for number in numbers:
        if number % 2 == 0:
            yield number

async def waited():
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    return [n + 1 for n in even(range(6))]

def plain():
    return 1
"""


def imagined(file: str) -> dict[str, Any]:
    """The functions of ``SOURCE`` as if they were in a file of the repository."""
    names: dict[str, Any] = {}
    exec(compile(SOURCE, str(ROOT / file), "exec"), names)
    return names


@pytest.fixture(scope="module")
def ways() -> dict[str, Way]:
    """What the command reports of today's service."""
    command = [sys.executable, "-m", "bench.trace", "--json"]
    said = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300)
    assert said.returncode == 0, said.stderr
    documents = json.loads(said.stdout)
    found = {
        name: Way(
            {each["file"]: {f["name"]: f["calls"] for f in each["functions"]} for each in one["entered"]}
        )
        for name, one in documents.items()
    }
    assert {name: way.document() for name, way in found.items()} == documents, "figures are those of the list"
    return found


def stems(way: Way) -> set[str]:
    return {Path(file).stem for file in way.entered}


def test_a_coroutine_that_waits_is_one_call_and_every_thread_is_heard():
    names, elsewhere = imagined("app/imagined.py"), imagined("bench/imagined.py")
    tracer = Tracer()

    async def send() -> list[int]:
        thread = threading.Thread(target=names["plain"])
        thread.start()
        thread.join()
        elsewhere["plain"]()  # equal but for its file
        return await names["waited"]()

    before = sys.getprofile(), threading.getprofile()
    with tracer.tracing():
        answer, way = asyncio.run(tracer.way(send))
        _, again = asyncio.run(tracer.way(send))
    assert (sys.getprofile(), threading.getprofile()) == before
    assert answer == [1, 3, 5]
    entered = {"even": 1, "waited": 1, "waited.<locals>.<listcomp>": 1, "plain": 1}
    if sys.version_info >= (3, 12):  # which inlines comprehensions
        del entered["waited.<locals>.<listcomp>"]
    assert way.entered == {"app/imagined.py": entered}
    assert [*way.entered["app/imagined.py"]] == [*entered], "in the order of the source"
    assert again == way, "what was counted before is forgotten"
    assert (way.files, way.functions, way.calls) == (1, len(entered), len(entered))


def test_only_files_of_the_three_packages_are_listed_and_by_paths_of_the_repository(ways):
    assert [*ways] == ["accepted image", "rejected image", "upload of an image", "/livez", "start of a build"]
    for way in ways.values():
        for file in way.entered:
            assert file.split("/")[0] in ("app", "core", "models")
            assert (ROOT / file).is_file()


def test_liveness_enters_a_few_files_of_app_and_an_inspection_all_of_the_engine(ways):
    inspection, liveness = ways["accepted image"], ways["/livez"]
    assert liveness.files < inspection.files
    assert liveness.calls < inspection.calls
    assert all(file.startswith("app/") for file in liveness.entered)
    assert {file.split("/")[0] for file in inspection.entered} == {"app", "core", "models"}
    assert {"engine", "ledger"} <= stems(inspection)
    assert not {"engine", "ledger", "database"} & stems(liveness)


def test_what_is_kept_makes_a_way_longer(ways):
    accepted, rejected = ways["accepted image"], ways["rejected image"]
    assert accepted.files < rejected.files
    assert "blobs" in stems(rejected) - stems(accepted), "a rejected image is stored"
    assert "blobs" in stems(ways["upload of an image"])


def test_neither_an_upload_nor_the_start_of_a_build_computes_anything(ways):
    for name in ("upload of an image", "start of a build"):
        assert not {"engine", "ledger", "runtime"} & stems(ways[name])
    assert "backbone" not in stems(
        ways["upload of an image"]
    )  # a build names the one that it is to be done with
    assert "jobs" in stems(ways["start of a build"])


def test_a_way_is_a_row_of_the_table_and_a_list_of_its_files():
    way = Way({"app/a.py": {"first": 1, "second": 3}, "core/b.py": {"third": 2}})
    assert trace.described({"something": way}).splitlines()[-1] == "| something | 2 | 3 | 6 |"
    assert trace.listed("something", way).split("\n") == [
        "",
        "something: 2 files, 3 functions, 6 calls",
        "  app/a.py",
        "      first",
        "      second x 3",
        "  core/b.py",
        "      third x 2",
        "",
    ]
