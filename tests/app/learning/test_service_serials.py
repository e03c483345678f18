"""The part that each uploaded image shows: said with its file, for all files or by a manifest; builds go by it."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Sequence
from typing import Any

import pytest
from parts import parts
from service_kit import PNG, new_bank, problem, service_of
from starlette.testclient import TestClient

from app.imaging.pictures import encode_png
from app.inspection.backbones import Backbones
from app.learning.worker import Worker
from core.bank import load_bank
from models.backbone import Backbone

SMALL = {"input": {"size": 64}, "coreset_ratio": 0.1, "min_bank_vectors": 0, "target_false_reject": 0.2}
PNGS = [encode_png(image) for image in parts(10)]


@pytest.fixture
def bank(running: TestClient) -> str:
    return new_bank(running, config=SMALL)


def form(names: Sequence[str] = ("a.png", "b.png"), **said: Any) -> list[tuple[str, Any]]:
    """Files by name, after what is said of them."""
    files = [("file", (name, PNGS[i])) for i, name in enumerate(names)]
    return [(name, (None, text)) for name, texts in said.items() for text in texts] + files


def zip_of(files: dict[str, bytes]) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return packed.getvalue()


def serials(client: TestClient, bank: str) -> list[tuple[str, str | None]]:
    """Name and serial number of each nominal image, by name."""
    return [(image["name"], image["serial"]) for image in client.get(bank + "/images").json()["items"]]


def test_serial_numbers_go_with_the_files_in_their_order(running: TestClient, bank: str) -> None:
    said = running.post(bank + "/images", files=form(serial=["A-1", " B-2 "])).json()
    assert [file["serial"] for file in said["files"]] == ["A-1", "B-2"]
    assert serials(running, bank) == [("a.png", "A-1"), ("b.png", "B-2")]
    detail = running.get(bank).json()
    assert (detail["images_with_serial"], detail["serials"]) == (2, 2)


def test_one_serial_number_is_that_of_every_file(running: TestClient, bank: str) -> None:
    running.post(bank + "/images", files=form(serial=["A-1"]))
    assert serials(running, bank) == [("a.png", "A-1"), ("b.png", "A-1")]
    detail = running.get(bank).json()
    assert (detail["nominal_images"], detail["serials"], detail["supported_false_reject"]) == (2, 1, 0.5)


def test_a_body_that_is_one_image_has_its_serial_number_in_the_query(running: TestClient, bank: str) -> None:
    said = running.post(bank + "/images?name=a.png&serial=A-1", content=PNGS[0], headers=PNG).json()
    assert said["files"][0]["serial"] == "A-1"
    assert serials(running, bank) == [("a.png", "A-1")]


def test_images_sent_again_take_the_serial_numbers_they_lacked(running: TestClient, bank: str) -> None:
    running.post(bank + "/images", files=form())
    assert serials(running, bank) == [("a.png", None), ("b.png", None)]
    again = running.post(bank + "/images", files=form(serial=["A-1", "B-2"])).json()
    assert (again["duplicate"], [file["serial"] for file in again["files"]]) == (2, ["A-1", "B-2"])
    once_more = running.post(bank + "/images", files=form()).json()  # saying nothing takes nothing back
    assert [file["serial"] for file in once_more["files"]] == ["A-1", "B-2"]
    assert serials(running, bank) == [("a.png", "A-1"), ("b.png", "B-2")]


def test_another_serial_number_for_an_image_is_refused(running: TestClient, bank: str) -> None:
    running.post(bank + "/images", files=form(serial=["A-1", "B-2"]))
    said = problem(running.post(bank + "/images", files=form(serial=["A-1", "C-3"])), 409, "serial-conflict")
    assert "C-3" in said["detail"]
    assert "B-2" in said["detail"]
    copies = [("file", ("c.png", PNGS[5])), ("file", ("copy.png", PNGS[5]))]
    said_twice = [("serial", (None, "D-1")), ("serial", (None, "D-2"))]
    problem(running.post(bank + "/images", files=[*said_twice, *copies]), 409, "serial-conflict")
    assert serials(running, bank) == [("a.png", "A-1"), ("b.png", "B-2"), ("c.png", None)]


@pytest.mark.parametrize("serial", ["", "  ", "x" * 129, "A\0", "A\nB", "A\u202eB"])
def test_what_cannot_be_a_serial_number_is_refused_by_name(
    running: TestClient, bank: str, serial: str
) -> None:
    said = problem(running.post(bank + "/images", files=form(serial=[serial])), 422, "invalid-request")
    assert "128" in said["detail"]
    one = running.post(bank + "/images", params={"serial": serial}, content=PNGS[0], headers=PNG)
    problem(one, 422, "invalid-request")
    table = f"image,part\na.png,A-1\nb.png,{serial}".encode()
    refused = running.post(bank + "/images", files=[*form(), ("manifest", (None, table))])
    assert refused.status_code == 422
    assert {serial for _, serial in serials(running, bank)} <= {None}


def test_fewer_serial_numbers_than_files_are_refused_and_the_images_kept(
    running: TestClient, bank: str
) -> None:
    refused = running.post(bank + "/images", files=form(["a.png", "b.png", "c.png"], serial=["A", "B"]))
    assert "2 serial numbers for 3 files" in problem(refused, 422, "invalid-request")["detail"]
    assert serials(running, bank) == [("a.png", None), ("b.png", None), ("c.png", None)]


def test_what_is_said_of_no_file_at_all_is_refused(running: TestClient, bank: str) -> None:
    alone = running.post(bank + "/images", files=[("serial", (None, "A"))])
    assert "no file" in problem(alone, 422, "upload-refused")["detail"]
    table = running.post(bank + "/images", files=[("manifest", (None, b"a.png,A"))])
    assert "a.png" in problem(table, 422, "groups-unusable")["detail"]


@pytest.mark.parametrize("filename", [None, "my.csv"])
@pytest.mark.parametrize("header", ["image,part\n", "image;serial\n", ""])
def test_a_manifest_of_the_form_names_the_parts(
    running: TestClient, bank: str, filename: str | None, header: str
) -> None:
    mark = ";" if ";" in header else ","
    table = ("\ufeff" + header + f"b.png{mark}B-2\na.png{mark}A-1\n").encode()
    files = [("manifest", (filename, table)), *form(), ("file", ("notes.txt", b"no image"))]
    said = running.post(bank + "/images", files=files).json()
    assert [file["status"] for file in said["files"]] == ["accepted", "accepted", "rejected"]
    assert serials(running, bank) == [("a.png", "A-1"), ("b.png", "B-2")]


@pytest.mark.parametrize(
    ("table", "why"),
    [
        ("a.png,A\nb.png,B\nabsent.png,C", "absent.png"),
        ("a.png,A", "none for 1"),
        ("a.png,A\nb.png", "1 columns"),
        ("a.png,A\nb.png,", "an empty one"),
        ("a.png,A\na.png,B\nb.png,B", "a.png again"),
        ("", "no line"),
        ("\udcff", "UTF-8"),
    ],
)
def test_a_manifest_that_does_not_match_is_refused_and_the_images_kept(
    running: TestClient, bank: str, table: str, why: str
) -> None:
    data = table.encode("utf-8", "surrogateescape")
    refused = running.post(bank + "/images", files=[*form(), ("manifest", (None, data))])
    assert why in problem(refused, 422, "groups-unusable")["detail"]
    assert serials(running, bank) == [("a.png", None), ("b.png", None)]


def test_a_manifest_larger_than_any_set_needs_is_refused(running: TestClient, bank: str) -> None:
    huge = ("manifest", ("parts.csv", b"a.png,A\n" * (2 << 20)))
    said = problem(running.post(bank + "/images", files=[*form(), huge]), 422, "groups-unusable")
    assert "at most 8 MB" in said["detail"]


def test_a_manifest_in_an_archive_names_the_files_beside_it(running: TestClient, bank: str) -> None:
    archive = zip_of(
        {
            "set/parts.csv": b"image,part\n1.png,A\nmore/2.png,A\n3.png,B\nbad.png,B\n",
            "set/1.png": PNGS[1],
            "set/more/2.png": PNGS[2],
            "set/3.png": PNGS[3],
            "set/bad.png": b"no image",
        }
    )
    said = running.post(
        bank + "/images?name=set.zip", content=archive, headers={"Content-Type": "application/zip"}
    ).json()
    assert (said["accepted"], said["rejected"]) == (3, 1)
    assert serials(running, bank) == [("set/1.png", "A"), ("set/3.png", "B"), ("set/more/2.png", "A")]
    wrong = zip_of({"parts.csv": b"1.png,A\n", "1.png": PNGS[1], "9.png": PNGS[9]})
    problem(running.post(bank + "/images", files=[("file", ("wrong.zip", wrong))]), 422, "groups-unusable")


def test_a_manifest_and_a_serial_number_that_differ_are_refused(running: TestClient, bank: str) -> None:
    table = ("manifest", (None, b"a.png,A\nb.png,B"))
    said = running.post(bank + "/images", files=[*form(serial=["A"]), table])
    assert "b.png" in problem(said, 409, "serial-conflict")["detail"]


def test_the_schema_names_the_fields_and_what_refuses_them(running: TestClient) -> None:
    document = running.get("/openapi.json").json()
    operation = document["paths"]["/v1/banks/{bank}/images"]["post"]
    form = operation["requestBody"]["content"]["multipart/form-data"]["schema"]["$ref"]
    fields = document["components"]["schemas"][form.rpartition("/")[2]]["properties"]
    assert fields.keys() == {"file", "serial", "manifest"}
    assert {"409", "422"} <= operation["responses"].keys()


def built(client: TestClient, bank: str, backbone: Backbone, **body: Any) -> Any:
    """The bank that a build made, or the answer that refused it."""
    answer = client.post(bank + "/builds", json=body)
    if answer.status_code != 202:
        return answer
    service = service_of(client)
    Worker(service.settings, service.store, "test", lambda: Backbones(service.settings, backbone)).work_once()
    job = client.get("/v1/jobs/" + answer.json()["id"]).json()
    assert job["state"] == "succeeded", job
    version = service.store.versions.get(bank.rpartition("/")[2], job["version"])
    with service.store.blobs.as_file(version.sha256) as path:
        return load_bank(path)


def upload_ten(client: TestClient, bank: str, count: int = 10) -> None:
    """Ten images of five parts, two of each, the first ``count`` with their serial numbers."""
    for start, end in ((0, count), (count, 10)):
        said = [("serial", (None, f"P{i // 2}")) for i in range(start, end)] if start == 0 else []
        files = [("file", (f"{i}.png", PNGS[i])) for i in range(start, end)]
        if files:
            assert client.post(bank + "/images", files=[*said, *files]).status_code == 200


def test_a_build_takes_images_of_one_serial_number_for_one_part(
    running: TestClient, bank: str, backbone: Backbone
) -> None:
    upload_ten(running, bank)
    found = built(running, bank, backbone)
    rows = service_of(running).store.images.page(bank.rpartition("/")[2]).items
    serial = {row.sha256: row.serial for row in rows}
    labels = dict(
        zip((name.partition("/")[0] for name in found.provenance.images), found.groups, strict=True)
    )
    assert found.grouped_by == "parts"
    assert len({(serial[sha256], label) for sha256, label in labels.items()}) == 5
    assert sorted(labels.values()) == sorted([0, 1, 2, 3, 4] * 2)


def test_parts_count_for_the_rate_before_any_job(running: TestClient, bank: str) -> None:
    upload_ten(running, bank)
    refused = running.post(bank + "/builds", json={"config": {"target_false_reject": 0.1}})
    assert "5 parts" in problem(refused, 422, "rate-unsupported")["detail"]


def test_serial_numbers_of_some_images_are_refused_unless_the_groups_are_said(
    running: TestClient, bank: str, backbone: Backbone
) -> None:
    upload_ten(running, bank, 4)
    refused = problem(running.post(bank + "/builds"), 422, "groups-unusable")
    assert "6 of 10" in refused["detail"]
    assert "auto or none" in refused["detail"]
    problem(running.post(bank + "/builds", json={"groups": "serial"}), 422, "groups-unusable")
    assert built(running, bank, backbone, groups="auto").grouped_by in (None, "auto")
    assert built(running, bank, backbone, groups="none").groups is None


def test_one_part_on_all_images_is_refused(running: TestClient, bank: str) -> None:
    running.post(bank + "/images", files=form("abcd", serial=["A-1"]))
    said = problem(running.post(bank + "/builds"), 422, "groups-unusable")
    assert "4 photographs of one part" in said["detail"]
