"""Forms as clients really send them: every part is inspected or refused by name, no field is dropped without a word."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest
from service_kit import new_bank, problem
from starlette.testclient import TestClient

CAPS = "/v1/banks/caps"
FORM = {"Content-Type": "multipart/form-data; boundary=xx"}
FAULTS = Path(__file__).parents[4] / "shared" / "data" / "faults"

WITHOUT_FILE_NAME = [
    'name="image"',
    "name=image",
    'name="file"',
    'name="images[]"',
    'name="photo"; filename="a.png"',
    "name=\"photo\"; filename*=UTF-8''a%20b.png",
    'name="photo"\r\nContent-Type: image/png',
    'name="image"\r\nContent-Type: text/plain',
]


def form_of(*parts: tuple[str, bytes]) -> bytes:
    """The body of a form; each part by what follows ``form-data;`` of its headers, and its content."""
    said = (
        b"--xx\r\nContent-Disposition: form-data; " + h.encode() + b"\r\n\r\n" + d + b"\r\n" for h, d in parts
    )
    return b"".join(said) + b"--xx--\r\n"


@pytest.mark.parametrize("part", WITHOUT_FILE_NAME)
def test_a_part_that_is_an_image_is_inspected_with_or_without_a_file_name(
    banked: TestClient, good: bytes, bad: bytes, part: str
) -> None:
    single = banked.post(f"{CAPS}/inspect", content=form_of((part, bad)), headers=FORM)
    assert (single.status_code, single.json()["decision"]) == (200, "reject")
    body = form_of(('name="image"; filename="first.png"', good), (part, bad))
    items = banked.post(f"{CAPS}/inspect/batch", content=body, headers=FORM).json()["items"]
    assert [item["inspection"]["decision"] for item in items] == ["accept", "reject"]
    assert items[1]["name"] == {4: "a.png", 5: "a b.png"}.get(WITHOUT_FILE_NAME.index(part), "image-2")


@pytest.mark.parametrize("part", WITHOUT_FILE_NAME)
def test_a_part_that_is_an_image_is_uploaded_with_or_without_a_file_name(
    running: TestClient, good: bytes, part: str
) -> None:
    said = running.post(f"{new_bank(running)}/images", content=form_of((part, good)), headers=FORM).json()
    assert (said["accepted"], said["nominal_images"]) == (1, 1)


def test_a_client_that_names_only_the_first_file_has_both_inspected(banked: TestClient) -> None:
    sample = FAULTS / "batch_second_without_filename.multipart"
    if not sample.is_file():
        pytest.skip("needs ../shared/data/faults")
    answer = banked.post(f"{CAPS}/inspect/batch", content=sample.read_bytes(), headers=FORM)
    assert [item["inspection"] is not None for item in answer.json()["items"]] == [True, True]


@pytest.mark.parametrize("path", ["inspect", "inspect/batch", "images"])
@pytest.mark.parametrize("field", ["serialno", "reject_threshold", "photo", "Serial"])
def test_a_field_that_the_operation_does_not_take_is_refused_in_a_form_as_in_the_query(
    banked: TestClient, good: bytes, path: str, field: str
) -> None:
    body = form_of((f'name="{field}"', b"7"), ('name="image"; filename="a.png"', good))
    said = problem(banked.post(f"{CAPS}/{path}", content=body, headers=FORM), 422, "invalid-request")
    assert said["received"] == f"the field '{field}'"
    assert "serial" in said["requirement"]
    assert banked.get("/v1/inspections").json()["items"] == []


@pytest.mark.parametrize(
    "path",
    [
        "inspect?serialno=7",
        "inspect/batch?serialno=7",
        "images?serialno=7",
        "import?activat=true",
        "builds?activate=false",
    ],
)
def test_a_query_parameter_that_the_operation_does_not_take_is_refused(
    banked: TestClient, good: bytes, path: str
) -> None:
    body = form_of(('name="image"; filename="a.png"', good))
    said = problem(banked.post(f"{CAPS}/{path}", content=body, headers=FORM), 422, "invalid-request")
    assert path.partition("?")[2].partition("=")[0] in said["detail"]


def test_a_query_parameter_of_a_list_is_refused_by_name(banked: TestClient) -> None:
    said = problem(banked.get("/v1/banks?lmit=5"), 422, "invalid-request")
    assert said["requirement"] == "this operation takes the query parameters after, limit"
    problem(banked.get("/v1/inspections?snce=2026-11-30T08:00:00Z"), 422, "invalid-request")
    assert banked.get("/v1/inspections?since=2026-11-30T08:00:00Z&limit=5").status_code == 200
    assert banked.get("/livez?t=1764482400").status_code == 200


@pytest.mark.parametrize("path", ["inspect", "inspect/batch"])
@pytest.mark.parametrize(
    ("parts", "received"),
    [
        ([], "none"),
        ([('name="serial"', b"7")], "none"),
        ([('name="serial"', b"7"), ('name="serial"', b"8")], "it again"),
    ],
)
def test_a_form_without_an_image_or_with_two_serial_numbers_for_all_is_refused(
    banked: TestClient, good: bytes, path: str, parts: list[tuple[str, bytes]], received: str
) -> None:
    sent = [*parts, ('name="image"', good)] if received == "it again" else [*parts, ('name="station"', b"")]
    answer = banked.post(f"{CAPS}/{path}", content=form_of(*sent), headers=FORM)
    assert problem(answer, 422, "invalid-request")["received"] == received


def test_a_field_that_is_not_utf_8_is_refused_and_not_read_as_something_else(
    banked: TestClient, good: bytes
) -> None:
    body = form_of(('name="serial"', "Größe".encode("latin-1")), ('name="image"', good))
    said = problem(banked.post(f"{CAPS}/inspect", content=body, headers=FORM), 400, "bad-multipart")
    assert said["received"] == "a field 'serial' that is not UTF-8"


def test_too_many_files_are_refused_in_words_that_are_true_of_an_inspection(
    banked: TestClient, good: bytes
) -> None:
    one = form_of(*[('name="image"', good)] * 2)
    said = problem(banked.post(f"{CAPS}/inspect", content=one, headers=FORM), 413, "too-many-files")
    assert said["requirement"] == "this request may hold one file"
    assert said["remedy"] == "Send each image by itself, or all to /inspect/batch."
    many = form_of(*[('name="image"', b"x")] * 257)
    said = problem(banked.post(f"{CAPS}/inspect/batch", content=many, headers=FORM), 413, "too-many-files")
    assert "nothing of this one was inspected" in said["remedy"]
    assert banked.get("/v1/inspections").json()["items"] == []


def test_a_bank_file_in_a_form_is_refused_as_a_form_and_not_called_corrupt(
    banked: TestClient, bank_file: bytes
) -> None:
    answer = banked.post(f"{CAPS}/import", files={"file": ("caps.bank", bank_file)})
    assert problem(answer, 415, "unsupported-media-type")["received"] == "a form"


@pytest.mark.parametrize("encoding", ["gzip", "GZIP", "deflate", "br", "gzip, identity"])
@pytest.mark.parametrize("path", ["inspect", "inspect/batch", "images", "import", "builds"])
def test_a_compressed_body_is_refused_for_its_content_encoding(
    banked: TestClient, good: bytes, path: str, encoding: str
) -> None:
    headers = {"Content-Type": "image/png", "Content-Encoding": encoding}
    answer = banked.post(f"{CAPS}/{path}", content=gzip.compress(good), headers=headers)
    said = problem(answer, 415, "unsupported-media-type")
    assert said["received"] == f"Content-Encoding: {encoding.lower()}"


def test_identity_is_no_encoding_and_a_header_without_a_body_harms_nobody(
    banked: TestClient, good: bytes
) -> None:
    headers = {"Content-Type": "image/png", "Content-Encoding": "identity"}
    assert banked.post(f"{CAPS}/inspect", content=good, headers=headers).status_code == 200
    assert banked.get("/v1/banks", headers={"Content-Encoding": "gzip"}).status_code == 200


def test_a_png_that_a_client_has_gzipped_is_refused_by_its_cause(banked: TestClient) -> None:
    sample = FAULTS / "gzip_encoded_png.bin"
    if not sample.is_file():
        pytest.skip("needs ../shared/data/faults")
    headers = {"Content-Type": "image/png", "Content-Encoding": "gzip"}
    answer = banked.post(f"{CAPS}/inspect", content=sample.read_bytes(), headers=headers)
    assert "Content-Encoding: gzip" in problem(answer, 415, "unsupported-media-type")["detail"]
