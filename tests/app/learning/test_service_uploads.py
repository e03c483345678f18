"""Nominal images over HTTP: one or many, in forms and archives, each with its answer; nothing lost, nothing twice."""

from __future__ import annotations

import hashlib
import io
import os
import tarfile
import zipfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest
from parts import parts
from PIL import Image
from service_kit import PNG, new_bank, problem, service_of
from starlette.testclient import TestClient

from app.imaging.decode import decode_image
from app.imaging.folders import list_images, read_image
from app.imaging.header import shown_name
from app.imaging.pictures import encode_jpeg, encode_png
from app.learning.incoming import Incoming
from app.settings import Settings
from app.store.errors import StorageFull
from app.store.staging import Staging


@pytest.fixture
def url(running: TestClient) -> str:
    """Where images of an empty bank go."""
    return new_bank(running) + "/images"


@pytest.fixture(scope="module")
def pngs() -> list[bytes]:
    return [encode_png(image) for image in parts(5)]


def zip_of(files: dict[str, bytes]) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return packed.getvalue()


def tar_of(files: dict[str, bytes], mode: str = "w:gz") -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode=mode) as archive:  # type: ignore[call-overload]
        for name, data in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    return packed.getvalue()


def form_of(files: Sequence[tuple[str, bytes]]) -> list[tuple[str, tuple[str, bytes]]]:
    return [("file", (name, data)) for name, data in files]


def leftovers(client: TestClient) -> list[str]:
    """Files that an upload left where files are received."""
    return [path.name for path in service_of(client).store.blobs.staging.directory.iterdir()]


@pytest.mark.parametrize("content", [None, b"rust"])
def test_a_known_image_whose_stored_file_was_lost_is_whole_again(
    running: TestClient, url: str, pngs: list[bytes], content: bytes | None
) -> None:
    [first] = running.post(url, files=form_of([("a.png", pngs[0])])).json()["files"]
    path = service_of(running).store.blobs.files.path(first["sha256"])  # type: ignore[attr-defined]
    path.unlink()
    if content is not None:
        path.write_bytes(content)
    [again] = running.post(url, files=form_of([("a.png", pngs[0])])).json()["files"]
    assert (again["status"], "is whole again" in again["notice"]) == ("duplicate", True)
    assert running.get(f"{url}/{first['sha256']}").content == pngs[0]
    [third] = running.post(url, files=form_of([("a.png", pngs[0])])).json()["files"]
    assert (third["status"], third["notice"]) == ("duplicate", None)
    assert leftovers(running) == []


def test_many_files_of_one_form_are_answered_for_one_by_one(
    running: TestClient, url: str, pngs: list[bytes]
) -> None:
    files = [*((f"{i}.png", data) for i, data in enumerate(pngs)), ("again.png", pngs[0]), ("x.png", b"text")]
    said = running.post(url, files=form_of(files)).json()
    assert (said["accepted"], said["duplicate"], said["rejected"], said["nominal_images"]) == (5, 1, 1, 5)
    assert [file["status"] for file in said["files"]] == ["accepted"] * 5 + ["duplicate", "rejected"]
    first = said["files"][0]
    assert first["sha256"] == hashlib.sha256(pngs[0]).hexdigest()
    assert (first["width"], first["height"], first["bytes"]) == (64, 64, len(pngs[0]))
    assert said["files"][-1]["problem"]["type"] == "/problems/image-format"
    assert leftovers(running) == []


def test_an_image_whose_highest_bits_are_unused_is_taken_with_a_notice(running: TestClient, url: str) -> None:
    file = io.BytesIO()
    Image.fromarray(np.full((32, 32), 4095, np.uint16)).save(file, "PNG")
    said = running.post(url, files=form_of([("dark.png", file.getvalue())])).json()
    (entry,) = said["files"]
    assert entry["status"] == "accepted"
    assert entry["notice"].startswith("Its brightest sample takes 12 of 16 bits, so it is read as dark")


def test_sending_everything_again_changes_nothing(running: TestClient, url: str, pngs: list[bytes]) -> None:
    files = form_of([(f"{i}.png", data) for i, data in enumerate(pngs)])
    running.post(url, files=files)
    before = running.get(url).json()
    again = running.post(url, files=files).json()
    assert (again["accepted"], again["duplicate"]) == (0, 5)
    assert running.get(url).json() == before


@pytest.mark.parametrize(
    "packed", [zip_of, tar_of, lambda files: tar_of(files, "w")], ids=["zip", "tar.gz", "tar"]
)
@pytest.mark.parametrize("raw", [True, False], ids=["raw", "form"])
def test_an_archive_is_unpacked_in_either_form(
    running: TestClient, url: str, pngs: list[bytes], packed: Callable[[dict[str, bytes]], bytes], raw: bool
) -> None:
    archive = packed({f"good/{i}.png": data for i, data in enumerate(pngs)})
    if raw:
        response = running.post(
            url + "?name=set", content=archive, headers={"Content-Type": "application/zip"}
        )
    else:
        response = running.post(url, files=form_of([("set", archive)]))
    said = response.json()
    assert said["accepted"] == 5, said
    assert {file["archive"] for file in said["files"]} == {"set"}
    assert [image["name"] for image in running.get(url).json()["items"]] == [
        f"good/{i}.png" for i in range(5)
    ]


def test_a_body_that_is_one_image_is_taken_under_the_name_asked_for(
    running: TestClient, url: str, pngs: list[bytes]
) -> None:
    said = running.post(
        url + "?name=C:\\photos\\7.png", content=pngs[0], headers={"Content-Type": "image/png"}
    ).json()
    assert [file["name"] for file in said["files"]] == ["C/photos/7.png"]


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        ("../../etc/passwd", "etc/passwd"),
        ("/root/a.png", "root/a.png"),
        ("C:\\a\\..\\b.png", "C/a/b.png"),
        ("a\0b\u202egnp.png", "a\ufffdb\ufffdgnp.png"),
        ("...", "..."),
        ("..", "fallback"),
        ("", "fallback"),
        (None, "fallback"),
        ("x" * 500 + ".png", "x" * 176 + ".png"),
    ],
)
def test_a_name_becomes_one_that_may_be_shown_and_names_no_path(raw: str | None, expected: str) -> None:
    assert shown_name(raw, "fallback") == expected


def test_hostile_members_of_an_archive_are_refused_and_the_others_kept(
    running: TestClient, url: str, pngs: list[bytes]
) -> None:
    archive = zip_of({"../escape.png": pngs[0], "inner.zip": zip_of({"a.png": pngs[1]}), "ok.png": pngs[2]})
    said = running.post(url, files=form_of([("set.zip", archive)])).json()
    reasons = {file["name"]: (file.get("problem") or {}).get("reason") for file in said["files"]}
    assert reasons == {"escape.png": "path", "inner.zip": "nested_archive", "ok.png": None}
    assert said["accepted"] == 1


def test_of_an_archive_that_is_a_bomb_what_came_before_is_kept(
    running: TestClient, url: str, pngs: list[bytes]
) -> None:
    bomb = {"ok.png": pngs[0], "bomb.bmp": b"BM" + bytes(40 << 20)}
    said = running.post(url, files=form_of([("set.tgz", tar_of(bomb))])).json()
    assert [file["status"] for file in said["files"]] == ["accepted", "rejected"]
    assert said["files"][1]["problem"]["type"] == "/problems/archive-bomb"
    zipped = running.post(url, files=form_of([("set.zip", zip_of(bomb))])).json()["files"]
    assert [file["status"] for file in zipped] == ["duplicate", "rejected"]
    assert zipped[1]["problem"]["reason"] == "ratio"
    alone = running.post(url, content=tar_of({"bomb.bmp": b"BM" + bytes(40 << 20)}))
    assert problem(alone, 413, "archive-bomb")["files"][0]["status"] == "rejected"
    assert leftovers(running) == []


def test_where_nothing_is_kept_the_answer_is_the_one_reason_or_all_of_them(
    running: TestClient, url: str
) -> None:
    problem(running.post(url, content=b""), 422, "image-empty")
    problem(running.post(url, files=form_of([("a.png", b"text")])), 415, "image-format")
    two = problem(running.post(url, files=form_of([("a.png", b"t"), ("b.png", b"")])), 422, "upload-refused")
    assert [file["problem"]["type"] for file in two["files"]] == [
        "/problems/image-format",
        "/problems/image-empty",
    ]
    problem(
        running.post(url, data={"field": "alone"}, files={}), 415, "image-format"
    )  # a form that is not multipart
    assert leftovers(running) == []


def test_more_files_than_may_be_are_refused_and_those_before_are_kept(
    serve: Callable[..., TestClient], settings: Settings, pngs: list[bytes]
) -> None:
    client = serve(settings.model_copy(update={"max_archive_files": 2}))
    url = new_bank(client) + "/images"
    files = form_of([(f"{i}.png", data) for i, data in enumerate(pngs[:3])])
    problem(client.post(url, files=files), 413, "too-many-files")
    assert client.get(url.removesuffix("/images")).json()["nominal_images"] == 2
    archive = zip_of({f"{i}.png": data for i, data in enumerate(pngs[2:])})
    problem(client.post(url, content=archive), 413, "archive-too-many-files")


def test_an_image_over_the_limit_is_rejected_without_being_kept_on_disk(
    serve: Callable[..., TestClient], settings: Settings, pngs: list[bytes]
) -> None:
    client = serve(settings.model_copy(update={"max_image_bytes": 20_000}))
    url = new_bank(client) + "/images"
    said = client.post(url, files=form_of([("big.png", bytes(3 << 20)), ("ok.png", pngs[0])])).json()
    assert [file["status"] for file in said["files"]] == ["rejected", "accepted"]
    assert said["files"][0]["problem"]["type"] == "/problems/image-too-large"


def test_a_body_over_the_limit_is_refused_with_and_without_its_length(
    serve: Callable[..., TestClient], settings: Settings
) -> None:
    client = serve(settings.model_copy(update={"max_body_bytes": 100_000, "max_image_bytes": 100_000}))
    url = new_bank(client) + "/images"

    def chunks() -> Iterator[bytes]:
        yield from (bytes(10_000) for _ in range(11))

    problem(client.post(url, content=bytes(100_001)), 413, "body-too-large")
    problem(client.post(url, content=chunks()), 413, "body-too-large")
    assert leftovers(client) == []


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        ("multipart/form-data", b"--x\r\n"),
        ("multipart/form-data; boundary=" + "x" * 300, b""),
        ("multipart/form-data; boundary=x", b"--x\r\nContent-Disposition: form-data\r\n\r\nv\r\n--x--\r\n"),
        (
            "multipart/form-data; boundary=x",
            b'--x\r\nContent-Disposition: form-data; name="f"; filename="a.png"\r\n\r\ncut',
        ),
        ("multipart/form-data; boundary=x", b"no boundary at all"),
    ],
    ids=["no boundary named", "endless boundary", "no name", "cut off", "no boundary sent"],
)  # fmt: skip
def test_a_body_that_is_no_form_is_refused(
    running: TestClient, url: str, content_type: str, body: bytes
) -> None:
    problem(running.post(url, content=body, headers={"Content-Type": content_type}), 400, "bad-multipart")
    assert leftovers(running) == []


def test_an_unknown_bank_is_refused(running: TestClient, pngs: list[bytes]) -> None:
    problem(running.post("/v1/banks/other/images", content=pngs[0]), 404, "not-found")
    problem(running.post("/v1/banks/%00/images", content=pngs[0]), 422, "illegal-value")


def test_a_disk_that_fills_during_an_upload_refuses_it_and_the_next_try_succeeds(
    running: TestClient, url: str, pngs: list[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    full = {"now": True}

    def free_bytes(staging: Staging) -> int:
        return 0 if full["now"] else 1 << 40

    service = service_of(running)
    service.store.blobs.staging.reserve = 1
    monkeypatch.setattr(Staging, "free_bytes", free_bytes)
    problem(running.post(url, files=form_of([("a.png", pngs[0])])), 507, "storage-full")
    assert running.get(url.removesuffix("/images")).json()["nominal_images"] == 0
    assert "disk" in running.get("/health").json()["faults"]
    full["now"] = False
    assert running.post(url, files=form_of([("a.png", pngs[0])])).json()["accepted"] == 1


def test_a_large_archive_stops_when_the_reserve_is_reached(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    staging = Staging(tmp_path / "partial", reserve=1000)
    incoming = Incoming(staging, settings, settings.image_limits)
    incoming.write(b"PK\x03\x04")
    monkeypatch.setattr(Staging, "free_bytes", lambda staging: 10)
    with pytest.raises(StorageFull):
        incoming.write(bytes(65 << 20))
    incoming.discard()
    assert list(staging.directory.iterdir()) == []


def test_images_are_listed_in_pages_shown_small_and_taken_out(
    running: TestClient, url: str, pngs: list[bytes]
) -> None:
    large = encode_jpeg(np.full((300, 600, 3), 90, np.uint8))
    running.post(
        url, files=form_of([("a.jpg", large), *((f"{i}.png", data) for i, data in enumerate(pngs[:3]))])
    )
    page = running.get(url + "?limit=3").json()
    rest = running.get(f"{url}?limit=3&after={page['next']}").json()
    names = [image["name"] for image in page["items"] + rest["items"]]
    assert (names, rest["next"]) == (["0.png", "1.png", "2.png", "a.jpg"], None)
    link = f"{url}/{hashlib.sha256(large).hexdigest()}"
    assert running.get(link).content == large
    assert Image.open(io.BytesIO(running.get(f"{link}/thumbnail?side=64").content)).size == (64, 32)
    assert running.delete(link).status_code == 204
    problem(running.get(link), 404, "not-found")
    problem(running.delete(link), 404, "not-found")
    problem(running.get(f"{url}/../../../etc/passwd"), 404, "no-such-path")


def test_files_that_are_refused_or_known_are_judged_before_anything_is_synced_to_disk(
    running: TestClient, good: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[int] = []
    real = os.fsync
    monkeypatch.setattr(os, "fsync", lambda descriptor: (synced.append(descriptor), real(descriptor))[1])
    url = new_bank(running) + "/images"
    assert running.post(url, content=good).json()["accepted"] == 1
    kept = len(synced)
    assert kept > 0
    bad = [("file", (f"{i}.png", b"no image")) for i in range(50)]
    said = running.post(url, files=[*bad, ("file", ("again.png", good))]).json()
    assert (said["rejected"], said["duplicate"], len(synced)) == (50, 1, kept)


def test_a_line_scan_of_67_megapixels_is_accepted_and_decoded_as_on_the_command_line(
    running: TestClient, shared: Path
) -> None:
    path = shared / "data" / "faults" / "line_scan_67MP.png"
    scan = path.read_bytes()
    (file,) = running.post(f"{new_bank(running)}/images", content=scan, headers=PNG).json()["files"]
    assert (file["status"], file["width"], file["height"]) == ("accepted", 8192, 8192)
    decoded = decode_image(scan, service_of(running).settings.image_limits)
    assert np.array_equal(decoded, read_image(path))


# What systems put beside images


LITTER = {
    "nas/@eaDir/0.png/SYNOFILE_THUMB_M.png": "nas/@eaDir/",
    "nas/@eaDir/1.png/SYNOFILE_THUMB_M.png": "nas/@eaDir/",
    "nas/#recycle/old.png": "nas/#recycle/",
    "nas/.DS_Store": "nas/.DS_Store",
}


@pytest.mark.parametrize("packed", [zip_of, tar_of, None], ids=["zip", "tar.gz", "form"])
def test_litter_beside_images_is_named_with_counts_and_never_learnt(
    running: TestClient, url: str, pngs: list[bytes], packed: Callable[[dict[str, bytes]], bytes] | None
) -> None:
    files = {**dict.fromkeys(LITTER, pngs[4]), **{f"nas/{i}.png": data for i, data in enumerate(pngs[:3])}}
    sent = [*files.items()] if packed is None else [("set", packed(files))]
    said = running.post(url, files=form_of(sent)).json()
    assert (said["accepted"], said["rejected"], said["nominal_images"]) == (3, 0, 3)
    archive = None if packed is None else "set"
    counts = {(each["archive"], each["name"]): each["files"] for each in said["left_out"]}
    assert counts == {
        (archive, place): [*LITTER.values()].count(place) for place in dict.fromkeys(LITTER.values())
    }
    assert {each["reason"] for each in said["left_out"]} == {"hidden, or kept by a system for itself"}
    assert leftovers(running) == []


def test_an_upload_of_nothing_but_litter_is_refused_and_names_it(
    running: TestClient, url: str, pngs: list[bytes]
) -> None:
    archive = zip_of({"@eaDir/0.png/SYNOFILE_THUMB_M.png": pngs[0], "@eaDir/1.png": pngs[1]})
    said = problem(running.post(url, content=archive), 422, "upload-refused")
    assert said["received"] == "no file, beside 2 that systems keep for themselves"
    assert [(each["name"], each["files"]) for each in said["left_out"]] == [("@eaDir/", 2)]


def test_serial_numbers_go_by_the_order_of_all_files_also_where_one_is_litter(
    running: TestClient, url: str, pngs: list[bytes]
) -> None:
    files = [("file", ("a.png", pngs[0])), ("file", (".hidden.png", pngs[1])), ("file", ("b.png", pngs[2]))]
    serials = [("serial", (None, text)) for text in ("A", "H", "B")]
    said = running.post(url, files=[*serials, *files]).json()
    assert [(file["name"], file["serial"]) for file in said["files"]] == [("a.png", "A"), ("b.png", "B")]


@pytest.mark.parametrize("suffix", ["jfif", "jpe", "JFIF"])
def test_a_jpeg_is_read_under_each_of_its_suffixes_from_folder_and_archive(
    running: TestClient, url: str, tmp_path: Path, suffix: str
) -> None:
    for i, image in enumerate(parts(2, seed=3)):
        (tmp_path / f"{i}.{suffix}").write_bytes(encode_jpeg(image, quality=90))
    assert [path.name for path in list_images(tmp_path)] == [f"0.{suffix}", f"1.{suffix}"]
    files = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    said = running.post(url, content=zip_of(files)).json()
    assert (said["accepted"], said["left_out"]) == (2, [])
