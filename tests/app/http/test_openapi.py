"""The OpenAPI document as generators of clients read it: every reference resolves, every body says what it takes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import openapi_spec_validator
import pytest
from starlette.testclient import TestClient


@pytest.fixture
def document(client: TestClient) -> dict[str, Any]:
    found: dict[str, Any] = client.get("/openapi.json").json()
    return found


def references(value: Any) -> Iterator[str]:
    """Every ``$ref`` in a JSON value."""
    if isinstance(value, dict):
        if isinstance(value.get("$ref"), str):
            yield value["$ref"]
        value = list(value.values())
    if isinstance(value, list):
        for each in value:
            yield from references(each)


def test_every_reference_of_the_document_resolves_and_every_schema_is_used(document: dict[str, Any]) -> None:
    named = set(references(document))
    assert len(named) > 50
    schemas = {f"#/components/schemas/{name}" for name in document["components"]["schemas"]}
    assert named - schemas == set()
    assert schemas - named == set()


def test_the_document_is_valid_by_the_specification(document: dict[str, Any]) -> None:
    openapi_spec_validator.validate(document)


def test_every_refusal_is_documented_as_a_problem_or_below_v2_in_words(document: dict[str, Any]) -> None:
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            for status, answer in operation["responses"].items():
                if int(status) >= 400 and path != "/readyz":
                    form = "json" if path.startswith("/v2") else "problem+json"
                    assert [*answer["content"]] == [f"application/{form}"], (method, path, status)


def test_operation_ids_are_there_and_differ(document: dict[str, Any]) -> None:
    ids = [operation["operationId"] for path in document["paths"].values() for operation in path.values()]
    assert len(ids) == len(set(ids)) > 40


def test_a_batch_declares_files_and_an_inspection_one(document: dict[str, Any]) -> None:
    def form(path: str) -> dict[str, Any]:
        body = document["paths"][f"/v1/banks/{{bank}}/{path}"]["post"]["requestBody"]
        name = body["content"]["multipart/form-data"]["schema"]["$ref"].rpartition("/")[2]
        found: dict[str, Any] = document["components"]["schemas"][name]
        assert found["title"] == name
        return found

    file = {"type": "string", "format": "binary"}
    assert form("inspect")["properties"]["image"] == file
    batch = form("inspect/batch")["properties"]["image"]
    assert (batch["type"], batch["items"], batch["maxItems"]) == ("array", file, 256)
    assert form("inspect")["required"] == form("inspect/batch")["required"] == ["image"]


def test_no_header_is_a_parameter_that_openapi_describes_elsewhere(document: dict[str, Any]) -> None:
    for operations in document["paths"].values():
        for operation in operations.values():
            names = {each["name"].lower() for each in operation.get("parameters", ())}
            assert not names & {"accept", "content-type", "authorization"}


def test_a_body_that_may_be_left_out_is_one_schema(document: dict[str, Any]) -> None:
    bodies = [each.get("requestBody") for path in document["paths"].values() for each in path.values()]
    optional = [body for body in bodies if body and not body.get("required")]
    assert len(optional) == 9
    for body in optional:
        assert [*body["content"]["application/json"]["schema"]] == ["$ref"]


def test_the_report_of_a_screening_is_typed(document: dict[str, Any]) -> None:
    schemas = document["components"]["schemas"]
    assert schemas["Report"]["properties"]["report"]["$ref"] == "#/components/schemas/Findings"
    suspects = schemas["Findings"]["properties"]["suspects"]
    assert suspects["items"]["$ref"] == "#/components/schemas/Suspect"
    assert schemas["Suspect"]["properties"]["doubt"]["type"] == "number"
