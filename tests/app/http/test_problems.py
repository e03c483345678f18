"""Every error has a type, every type an explanation, and every failure of a request becomes problem+json."""

from __future__ import annotations

import importlib
import inspect
import json
import logging
import pkgutil
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import pytest
from fastapi import APIRouter, FastAPI, Query
from pydantic import BaseModel
from starlette.exceptions import HTTPException
from starlette.testclient import TestClient

import app
import core
import models
from app.errors import AppError, ArchiveEntryRefused, DeadlineExceeded, ImageCorrupt, QueueFull
from app.http.problems import ProblemDocument, install
from app.problems.problem import MEDIA_TYPE, problem_of
from app.problems.types import BY_ERROR, BY_SLUG, INTERNAL, TYPES, page, type_of
from app.store.errors import DatabaseBusy, KeyRefused
from core.errors import CoreError, ShapeError
from models.errors import ModelError

DOCS = (Path(__file__).parents[3] / "docs/problems.md").read_text()
SAID = {"requirement": "a must be b", "received": "c", "remedy": "Do d."}


def import_everything() -> None:
    for package in (app, core, models):
        for module in pkgutil.walk_packages(package.__path__, package.__name__ + "."):
            if not module.name.endswith("__main__") and ".migrations" not in module.name:
                importlib.import_module(module.name)


def tree(root: type[Exception]) -> Iterator[type[Exception]]:
    yield root
    for child in root.__subclasses__():
        yield from tree(child)


def all_errors() -> list[type[Exception]]:
    import_everything()
    found = [error for root in (CoreError, ModelError, AppError) for error in tree(root)]
    return [error for error in found if error.__module__.partition(".")[0] in ("app", "core", "models")]


# The table


def test_every_error_of_the_three_trees_has_a_type_of_its_own_choice() -> None:
    errors = all_errors()
    assert len(errors) > 60
    assert [error.__qualname__ for error in errors if error not in BY_ERROR] == []


def test_no_error_has_two_types_and_no_slug_two_meanings() -> None:
    assert len(BY_ERROR) == sum(len(kind.errors) for kind in TYPES)
    assert len(BY_SLUG) == len(TYPES)
    assert all(re.fullmatch(r"[a-z]+(-[a-z]+)*", kind.slug) for kind in TYPES)
    assert all(400 <= kind.status <= 599 for kind in TYPES)


def test_an_error_outside_the_table_has_its_parents_type_or_is_internal() -> None:
    child = type("Child", (ImageCorrupt,), {})
    assert type_of(child) is BY_SLUG["image-corrupt"]
    assert type_of(KeyError) is INTERNAL


def test_the_docs_explain_every_type_with_its_status_title_cause_and_remedy() -> None:
    sections = dict(re.findall(r"^### (\S+)\n\n(.*?)(?=^##|\Z)", DOCS, re.DOTALL | re.MULTILINE))
    assert list(sections) == [kind.slug for kind in TYPES]
    for kind in TYPES:
        text = " ".join(sections[kind.slug].split())
        assert text.startswith(f"**{kind.status}** {kind.title}. ")
        assert re.search(r"- Typical cause: \S.*\.? - Remedy: \S.*\.$", text)


def test_the_docs_name_every_reason_a_member_of_an_archive_is_refused_for() -> None:
    import app.learning.archives.limits
    import app.learning.archives.tar
    import app.learning.archives.zip

    modules = (app.learning.archives.limits, app.learning.archives.tar, app.learning.archives.zip)
    source = "".join(inspect.getsource(module) for module in modules)
    reasons = set(re.findall(r'raise refuse\(\s*"(\w+)"', source))
    assert len(reasons) == 10
    assert [reason for reason in reasons if f"`{reason}`" not in DOCS] == []


def test_the_page_of_a_type_says_its_title_and_an_unknown_one_has_none() -> None:
    assert all(kind.title in (page(kind.slug) or "") for kind in TYPES)
    assert page("no-such-slug") is None


# One problem


def test_a_domain_error_says_requirement_received_and_remedy() -> None:
    assert problem_of(ImageCorrupt(**SAID), instance="/x", request_id="r1").document() == {
        "type": "/problems/image-corrupt",
        "title": "The image cannot be decoded",
        "status": 422,
        "detail": str(ImageCorrupt(**SAID)),
        "instance": "/x",
        "request_id": "r1",
        **SAID,
    }


@pytest.mark.parametrize(("seconds", "told"), [(0.2, 1), (1.0, 1), (1.01, 2), (90.0, 90)])
def test_retry_after_is_in_whole_seconds_rounded_up_in_header_and_body(seconds: float, told: int) -> None:
    for kind in (QueueFull, DeadlineExceeded):
        problem = problem_of(kind(**SAID, retry_after=seconds))
        assert problem.headers == {"Retry-After": str(told)}
        assert problem.document()["retry_after"] == told
        assert problem.type.status == 503


def test_what_passes_by_itself_says_when_to_try_again() -> None:
    assert problem_of(DatabaseBusy(**SAID)).headers == {"Retry-After": "1"}
    assert problem_of(ImageCorrupt(**SAID)).headers == {}


def test_a_refused_key_names_the_scheme() -> None:
    for error in (KeyRefused(**SAID), HTTPException(401)):
        assert problem_of(error).headers == {"WWW-Authenticate": "Bearer"}


def test_a_refused_member_of_an_archive_gives_its_reason() -> None:
    assert problem_of(ArchiveEntryRefused("path", **SAID)).document()["reason"] == "path"


@pytest.mark.parametrize(
    "error", [ShapeError(**SAID), ValueError("a secret path"), HTTPException(500, "a secret")]
)
def test_what_is_the_servers_fault_tells_nothing_of_it(error: Exception) -> None:
    document = problem_of(error, request_id="r1").document()
    assert document["type"] == "/problems/internal-error"
    assert "secret" not in json.dumps(document)
    assert "a must be b" not in json.dumps(document)


def test_a_status_without_a_type_of_its_own_is_about_blank() -> None:
    assert problem_of(HTTPException(418)).document()["type"] == "about:blank"
    assert problem_of(HTTPException(499, "gone")).document()["detail"] == "gone"


# Through an application


class Config(BaseModel):
    size: int
    tags: dict[str, int] = {}


@pytest.fixture
def client() -> Iterator[TestClient]:
    api = FastAPI()
    router = APIRouter(prefix="/v1")
    install(api)

    @router.get("/banks/{bank}")
    def read(bank: str) -> str:
        return bank

    @router.patch("/banks/{bank}")
    def change(bank: str, config: Config, limit: Annotated[int, Query(le=9)] = 1) -> str:
        return bank

    @router.get("/raise/{name}")
    def fail(name: str) -> None:
        raise {
            "image": ImageCorrupt(**SAID),
            "core": ShapeError(**SAID),
            "unexpected": ZeroDivisionError("secret"),
            "teapot": HTTPException(418, "no coffee"),
            "unchanged": HTTPException(304),
            "busy": DatabaseBusy(**SAID),
        }[name]

    @router.post("/form")
    async def form(file: bytes) -> None: ...

    api.include_router(router)
    with TestClient(api, raise_server_exceptions=False) as client:
        yield client


def test_every_refusal_of_an_application_is_problem_json(client: TestClient) -> None:
    answers = {
        client.get("/v1/raise/image"): ("image-corrupt", 422),
        client.get("/v1/raise/core"): ("internal-error", 500),
        client.get("/v1/raise/unexpected"): ("internal-error", 500),
        client.get("/nowhere"): ("no-such-path", 404),
        client.post("/v1/banks/a"): ("method-not-allowed", 405),
        client.patch("/v1/banks/a", content="{"): ("invalid-request", 422),
        client.patch("/v1/banks/a", content=b"\xff", headers={"content-type": "application/json"}): (
            "bad-request",
            400,
        ),
    }
    for answer, (slug, status) in answers.items():
        assert answer.headers["content-type"] == MEDIA_TYPE
        document = ProblemDocument.model_validate(answer.json())
        assert (document.type, document.status) == (f"/problems/{slug}", status)
        assert answer.status_code == status
        assert answer.request.url.path == document.instance
        assert "secret" not in answer.text


def test_a_wrong_method_is_told_every_method_of_the_path(client: TestClient) -> None:
    assert client.post("/v1/banks/a").headers["allow"] == "GET, PATCH"


def test_invalid_values_are_named_by_pointer_or_parameter_and_not_repeated(client: TestClient) -> None:
    body = {"size": "hunter2", "tags": {"a/b~c": "hunter2"}}
    answer = client.patch("/v1/banks/a?limit=10", json=body)
    assert [(e.get("pointer"), e.get("in"), e.get("name")) for e in answer.json()["errors"]] == [
        (None, "query", "limit"),
        ("#/size", None, None),
        ("#/tags/a~1b~0c", None, None),
    ]
    assert "hunter2" not in answer.text


def test_broken_json_is_named_with_its_place(client: TestClient) -> None:
    answer = client.patch("/v1/banks/a", content='{"size": }', headers={"content-type": "application/json"})
    (fault,) = answer.json()["errors"]
    assert fault == {"detail": "JSON decode error at byte 9: Expecting value", "pointer": "#"}


def test_an_answer_that_is_no_error_stays_one(client: TestClient) -> None:
    answer = client.get("/v1/raise/unchanged")
    assert (answer.status_code, answer.content) == (304, b"")


def test_the_servers_own_faults_are_logged_and_passing_ones_are_not(
    client: TestClient, caplog: pytest.LogCaptureFixture
) -> None:
    client.get("/v1/raise/busy")
    assert [r for r in caplog.records if r.name == "app.http.problems"] == []
    client.get("/v1/raise/core")
    (record,) = [r for r in caplog.records if r.name == "app.http.problems"]
    assert record.levelno == logging.ERROR
    assert record.exc_info is not None
