"""HTTP: parse, call, answer by a schema; one noun per file.

Here is what several share: the service, pages, ETags, and which problems an operation documents.
"""

from __future__ import annotations

import re
from typing import Annotated, Any

from fastapi import Depends, Header, Path, Query, Request, params
from fastapi.dependencies.utils import get_flat_params

from app import errors
from app.lifecycle import Service
from app.problems.problem import MEDIA_TYPE
from app.problems.types import INTERNAL, ProblemType, type_of
from app.store.errors import DatabaseBusy, DatabaseUnavailable, KeyRefused, StorageFull
from app.store.page import MAX_LIMIT

ETAG = re.compile(r'(?:W/)?"(\d{1,18})"')
ELSEWHERE = (params.Path, params.Header, params.Cookie)  # parameters that are not of the query
PROBLEM = {"$ref": "#/components/schemas/ProblemDocument"}
ALWAYS = (
    errors.BadContentLength,
    errors.BodyTooLarge,
    errors.BodyTooSlow,
    errors.FieldInvalid,
    errors.MediaTypeUnsupported,
    DatabaseBusy,
    DatabaseUnavailable,
    errors.Draining,
    StorageFull,
)
OF_KEYS = (KeyRefused, errors.RoleTooLow, errors.ForeignOrigin, errors.QuotaExceeded)

Responses = dict[int | str, dict[str, Any]]


async def service_of(request: Request) -> Service:
    """The running service."""
    service: Service = request.app.state.service
    return service


async def refuse_unknown_query(request: Request) -> None:
    """Refuses a query parameter that the operation does not take. Raises FieldInvalid."""
    if not request.scope["query_string"]:
        return
    taken = get_flat_params(request.scope["route"].dependant)
    known = {each.alias for each in taken if not isinstance(each.field_info, ELSEWHERE)}
    for name in request.query_params:
        if name not in known:
            raise errors.FieldInvalid(
                requirement=f"this operation takes the query parameters {', '.join(sorted(known))}"
                if known
                else "this operation takes no query parameter",
                received=ascii(name[:80]),
                remedy="Check its spelling; /docs lists what each operation takes.",
            )


async def root_of(request: Request) -> str:
    """The path under which a proxy shows this server, such as /nominal; "" without one."""
    root: str = request.scope.get("root_path", "")
    return root


Running = Annotated[Service, Depends(service_of)]
Root = Annotated[str, Depends(root_of)]
BankPath = Annotated[str, Path(description="A bank's id.")]
Number = Annotated[int, Path(ge=1, le=2**31 - 1, description="A version's number.")]
Limit = Annotated[int, Query(ge=1, le=MAX_LIMIT, description="Items at most.")]
Cursor = Annotated[str | None, Query(max_length=64, description="`next` of the page before.")]
IfMatch = Annotated[
    str | None, Header(description='The ETag read before, such as "3": the change is refused if it is stale.')
]


def refuses(*raised: type[Exception], keys: bool = True) -> Responses:
    """The ``responses`` of an operation that may raise these, beside what every operation may."""
    by_status: dict[int, dict[str, ProblemType]] = {}
    for error in (*raised, *ALWAYS, *(OF_KEYS if keys else ())):
        kind = type_of(error)
        by_status.setdefault(kind.status, {})[kind.slug] = kind
    by_status.setdefault(INTERNAL.status, {})[INTERNAL.slug] = INTERNAL
    return {status: _documented(kinds) for status, kinds in sorted(by_status.items())}


def etag(revision: int) -> str:
    """A row's revision as an entity tag."""
    return f'"{revision}"'


def revision_of(if_match: str | None) -> int | None:
    """The revision an If-Match header names; None for no header and for ``*``. Raises FieldInvalid."""
    if if_match is None or if_match.strip() == "*":
        return None
    found = ETAG.fullmatch(if_match.strip())
    if found is None:
        raise errors.FieldInvalid(
            requirement="If-Match must repeat one ETag, or be *",
            received=ascii(if_match[:80]),
            remedy='Send the ETag of the last answer, with its quotes: If-Match: "3".',
        )
    return int(found[1])


def _documented(kinds: dict[str, ProblemType]) -> dict[str, Any]:
    said = "; ".join(f"{kind.title} (`{slug}`)" for slug, kind in kinds.items())
    return {"description": said, "content": {MEDIA_TYPE: {"schema": PROBLEM}}}
