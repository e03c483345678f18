"""NVIDIA's tritonclient, in the environment that `make test-generated` makes, infers with a live server."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import numpy as np
import pytest
from live_server import live_server, picture, teach

from app.imaging.decode import decode_image
from nominal_client import Client

pytestmark = pytest.mark.generated
HERE = Path(__file__).parent
PYTHON = HERE / ".venv/bin/python"  # its own: it wants older releases than the service has


@pytest.mark.skipif(not PYTHON.exists(), reason="needs tritonclient: run 'make test-generated'")
def test_tritonclient_infers_what_an_inspection_finds(tmp_path: Path) -> None:
    flawed, samples = tmp_path / "flawed.png", tmp_path / "samples.npy"
    flawed.write_bytes(picture(99, flaw=True))
    np.save(samples, decode_image(flawed.read_bytes()))
    with live_server(tmp_path / "data") as live, Client(live.url) as client:
        teach(client, tmp_path)
        known = client.inspect("caps", flawed)
        address = live.url.removeprefix("http://")
        command = [PYTHON, HERE / "use_tritonclient.py", address, "caps", flawed, samples]
        done = subprocess.run(command, capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, done.stderr
        found = json.loads(done.stdout)
        (listed,) = client.list_inspections(bank="caps", serial="S-1")
    assert (found["health"], found["absent"]) == ([True, True, True], False)
    assert (found["server"], found["versions"], found["id"]) == ("nominal", ["1"], "part-7")
    assert [len(scores) for scores in found["scores"]] == [1, 1, 2]
    for scores in found["scores"]:
        assert scores == pytest.approx([known.score] * len(scores), rel=1e-4)
    assert found["decisions"] == [["reject"], ["reject"], ["reject"] * 2]
    in_binary, in_json = map(np.array, found["maps"])
    assert in_binary.shape == (known.height, known.width)
    np.testing.assert_allclose(in_binary, in_json, rtol=1e-3)
    assert "must be PNG, JPEG" in found["refused"]
    assert found["other"][0] == "409"
    assert "version 9, while version 1 is active" in found["other"][1]
    assert listed.decision == "reject"
