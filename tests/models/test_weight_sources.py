"""Weights come from a file, the cache, a package or the publisher, in that order; else a remedy is named."""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import torch
from fakes import tiny_spec, tiny_weights
from safetensors.torch import save_file

from models import weights as downloading
from models.backbone import load_backbone
from models.checkpoint import write_trimmed
from models.errors import ModelError, WeightsCorrupt, WeightsNotFound, WeightsNotWritten, WeightsWrongDigest
from models.spec import EMBEDDED, SPECS, BackboneSpec
from models.weights import cache_file, export, fetch, find_weights, import_file, list_weights

NOWHERE = "http://127.0.0.1:9/tiny.pth"  # the discard port: nothing listens there


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for proxy in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(proxy, raising=False)
    monkeypatch.setenv("NOMINAL_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A weights file of the tiny backbone, seed 0."""
    save_file(tiny_weights().tensors, tmp_path / "tiny.safetensors")
    return tmp_path / "tiny.safetensors"


@pytest.fixture
def site(tmp_path: Path) -> Iterator[tuple[Path, str]]:
    """A folder and the URL under which a server on this machine offers it."""
    (tmp_path / "site").mkdir()
    handler = partial(_Quiet, directory=str(tmp_path / "site"))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield tmp_path / "site", f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""

    def do_GET(self) -> None:
        """Serve the folder; break off in the middle of what is named cut."""
        if not self.path.startswith("/cut"):
            return super().do_GET()
        self.send_response(200)
        self.send_header("Content-Length", "1000")
        self.end_headers()
        self.wfile.write(b"x" * 400)


def listed(monkeypatch: pytest.MonkeyPatch, **changes: object) -> BackboneSpec:
    """The tiny backbone as an entry of the table."""
    spec = replace(tiny_spec(), digest=tiny_weights().digest, **changes)  # type: ignore[arg-type]
    monkeypatch.setitem(SPECS, spec.name, spec)
    return spec


def published(site: tuple[Path, str]) -> dict[str, str]:
    """Put the tiny backbone's torch file on the site; its url and the beginning of its sha256."""
    folder, url = site
    torch.save(tiny_weights().tensors | {"head.weight": torch.zeros(9, 20)}, folder / "tiny.pth")
    sha = hashlib.sha256((folder / "tiny.pth").read_bytes()).hexdigest()
    return {"url": f"{url}/tiny.pth", "file_sha256": sha[:8]}


def test_cache_lies_where_the_environment_says(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert cache_file(tiny_spec()) == tmp_path / "cache/weights/tiny.safetensors"
    monkeypatch.delenv("NOMINAL_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert cache_file(tiny_spec()) == tmp_path / "xdg/nominal/weights/tiny.safetensors"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert cache_file(tiny_spec()) == tmp_path / "home/.cache/nominal/weights/tiny.safetensors"


def test_sources_are_tried_in_order(
    monkeypatch: pytest.MonkeyPatch, site: tuple[Path, str], file: Path, tmp_path: Path
) -> None:
    web = published(site)
    write_trimmed(tiny_weights(), tiny_spec(), tmp_path / "packaged.safetensors")
    spec = listed(monkeypatch, **web, packaged=lambda: tmp_path / "packaged.safetensors")
    without_package = replace(spec, packaged=None)

    assert find_weights(without_package).source == "download"
    assert find_weights(without_package).source == "cache"
    assert find_weights(spec).source == "cache"
    assert find_weights(spec, file).source == "file"
    cache_file(spec).unlink()
    assert find_weights(spec).source == "package"


def test_download_is_verified_trimmed_cached_and_reported(
    monkeypatch: pytest.MonkeyPatch, site: tuple[Path, str], cache: Path
) -> None:
    spec = listed(monkeypatch, **published(site))
    seen: list[tuple[int, int]] = []
    found = fetch("tiny", lambda done, total: seen.append((done, total)))
    size = (site[0] / "tiny.pth").stat().st_size
    assert seen[-1] == (size, size)
    assert found.weights.digest == spec.digest
    assert [p.name for p in (cache / "weights").iterdir()] == ["tiny.safetensors"]


def test_download_of_other_bytes_than_published_is_refused_and_leaves_nothing(
    monkeypatch: pytest.MonkeyPatch, site: tuple[Path, str], cache: Path
) -> None:
    listed(monkeypatch, **published(site) | {"file_sha256": "deadbeef"})
    with pytest.raises(WeightsWrongDigest, match="deadbeef"):
        fetch("tiny")
    assert list((cache / "weights").iterdir()) == []


def test_download_of_a_safetensors_file_is_held_to_the_published_digest_too(
    monkeypatch: pytest.MonkeyPatch, site: tuple[Path, str]
) -> None:
    web = published(site)
    save_file(tiny_weights(seed=1).tensors, site[0] / "tiny.pth")
    spec = listed(monkeypatch, **web)
    monkeypatch.setitem(SPECS, "tiny", replace(spec, digest=None))
    with pytest.raises(WeightsWrongDigest, match="published file"):
        fetch("tiny")


@pytest.mark.parametrize(("path", "said"), [("cut", "400 of 1000 bytes"), ("absent", "404")])
def test_broken_download_is_an_error_with_the_remedy(
    monkeypatch: pytest.MonkeyPatch, site: tuple[Path, str], cache: Path, path: str, said: str
) -> None:
    listed(monkeypatch, url=f"{site[1]}/{path}", file_sha256="0" * 8)
    with pytest.raises(WeightsNotFound, match=said) as refused:
        fetch("tiny")
    assert "nominal weights import tiny FILE" in refused.value.remedy
    assert list((cache / "weights").iterdir()) == []


def test_without_a_network_the_error_names_the_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    listed(monkeypatch, url=NOWHERE, file_sha256="0" * 8)
    with pytest.raises(WeightsNotFound, match="nominal weights fetch tiny") as refused:
        load_backbone("tiny")
    assert NOWHERE in str(refused.value)


def test_server_that_never_answers_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    import socket

    monkeypatch.setattr(downloading, "ANSWER_WITHIN", 0.05)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        listed(monkeypatch, url=f"http://127.0.0.1:{silent.getsockname()[1]}/x", file_sha256="0" * 8)
        with pytest.raises(WeightsNotFound, match="no answer"):
            fetch("tiny")


def test_auto_without_a_network_falls_back_to_the_embedded_backbone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(SPECS, "resnet50", replace(SPECS["resnet50"], url=NOWHERE))
    backbone = load_backbone()
    assert backbone.spec.name == EMBEDDED
    assert NOWHERE in (backbone.notice or "")


def test_network_is_left_alone_where_fetching_is_not_allowed(
    monkeypatch: pytest.MonkeyPatch, site: tuple[Path, str]
) -> None:
    listed(monkeypatch, **published(site))
    with pytest.raises(WeightsNotFound, match="downloading is disabled"):
        load_backbone("tiny", allow_fetch=False)


def test_export_and_import_keep_the_digest_and_the_bytes(
    monkeypatch: pytest.MonkeyPatch, file: Path, tmp_path: Path
) -> None:
    spec = listed(monkeypatch)
    assert import_file("tiny", file).weights.digest == spec.digest
    export("tiny", tmp_path / "first.safetensors")
    assert import_file("tiny", tmp_path / "first.safetensors").weights.digest == spec.digest
    export("tiny", tmp_path / "second.safetensors")
    assert (tmp_path / "first.safetensors").read_bytes() == (tmp_path / "second.safetensors").read_bytes()


def test_trimmed_resnet50_round_trip_has_the_pinned_digest(shared: Path, tmp_path: Path) -> None:
    given = shared / "weights" / "resnet50-imagenet1k_v1-thru-layer3.safetensors"
    if not given.is_file():
        pytest.skip("no trimmed resnet50 file beside this checkout")
    import_file("resnet50", given)
    export("resnet50", tmp_path / "out.safetensors")
    assert (
        find_weights(SPECS["resnet50"], tmp_path / "out.safetensors").weights.digest
        == SPECS["resnet50"].digest
    )
    assert abs((tmp_path / "out.safetensors").stat().st_size - given.stat().st_size) < 1000


def test_what_an_import_accepted_stays_accepted_and_is_said(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    spec = listed(monkeypatch)
    save_file(tiny_weights(seed=1).tensors, tmp_path / "own.safetensors")
    with pytest.raises(WeightsWrongDigest):
        import_file("tiny", tmp_path / "own.safetensors")
    assert not cache_file(spec).exists()
    digest = tiny_weights(seed=1).digest
    import_file("tiny", tmp_path / "own.safetensors", accept_digest=digest)
    backbone = load_backbone("tiny")
    assert backbone.digest == digest
    assert "not the published ones" in (backbone.notice or "")


def test_edited_cache_is_refused_and_a_new_import_mends_it(
    monkeypatch: pytest.MonkeyPatch, file: Path
) -> None:
    spec = listed(monkeypatch)
    import_file("tiny", file)
    data = bytearray(cache_file(spec).read_bytes())
    data[-1] ^= 1
    cache_file(spec).write_bytes(data)
    with pytest.raises(WeightsWrongDigest):
        load_backbone("tiny")
    cache_file(spec).write_bytes(data[:-1])
    with pytest.raises(WeightsCorrupt):
        load_backbone("tiny")
    import_file("tiny", file)
    assert load_backbone("tiny").source == "cache"


def test_listing_says_of_each_backbone_whether_it_is_ready(
    monkeypatch: pytest.MonkeyPatch, file: Path
) -> None:
    spec = listed(monkeypatch, url=NOWHERE, file_sha256="0" * 8)
    by_name = {status.name: status for status in list_weights()}
    assert list(by_name) == list(SPECS)
    assert by_name["tiny"].status == "absent"
    assert "nominal weights fetch tiny" in by_name["tiny"].detail
    embedded = by_name[EMBEDDED]
    assert (embedded.status, embedded.source, embedded.licence) == ("ready", "package", "Apache-2.0")
    assert embedded.digest == SPECS[EMBEDDED].digest
    import_file("tiny", file)
    ready = next(s for s in list_weights() if s.name == "tiny")
    assert (ready.status, ready.source, ready.size) == ("ready", "cache", cache_file(spec).stat().st_size)
    cache_file(spec).write_bytes(b"")
    refused = next(s for s in list_weights() if s.name == "tiny")
    assert refused.status == "refused"
    assert "whole safetensors" in refused.detail
    assert str(cache_file(spec)) in refused.detail


def test_fetching_a_backbone_without_a_url_names_another_way(monkeypatch: pytest.MonkeyPatch) -> None:
    listed(monkeypatch)
    with pytest.raises(WeightsNotFound, match="nominal weights import tiny"):
        fetch("tiny")
    with pytest.raises(WeightsNotFound, match="inside a package"):
        fetch(EMBEDDED)


@pytest.mark.parametrize("do", ["import", "export", "fetch"])
def test_place_that_cannot_be_written_is_a_named_error(
    monkeypatch: pytest.MonkeyPatch, site: tuple[Path, str], file: Path, tmp_path: Path, do: str
) -> None:
    listed(monkeypatch, **published(site))
    blocked = tmp_path / "blocked"
    blocked.write_text("a file where a folder is to be")
    if do == "export":
        import_file("tiny", file)
    monkeypatch.setenv("NOMINAL_CACHE", os.fspath(blocked if do != "export" else tmp_path / "cache"))
    with pytest.raises(WeightsNotWritten, match="blocked"):
        {
            "import": lambda: import_file("tiny", file),
            "export": lambda: export("tiny", blocked / "out.safetensors"),
            "fetch": lambda: fetch("tiny"),
        }[do]()


def test_failed_write_leaves_the_old_file(
    tmp_path: Path, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    listed(monkeypatch)
    import_file("tiny", file)
    (tmp_path / "folder.safetensors").mkdir()
    with pytest.raises(ModelError):
        export("tiny", tmp_path / "folder.safetensors")
    assert sorted(p.name for p in tmp_path.iterdir() if p.name.startswith(".")) == []
