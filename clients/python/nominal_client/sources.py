"""Calls about sources of images: the cameras of a server, and pictures taken by trigger."""

from __future__ import annotations

from nominal_client.answers.inspections import Inspection
from nominal_client.answers.sources import Source, SourceList
from nominal_client.call import Call, parsed, post


def list_sources() -> Call[list[Source]]:
    """The cameras of the server, with what was inspected and why one is not well."""
    whole = parsed(SourceList)
    return Call("GET", "/v1/sources", lambda response: whole(response).items)


def trigger_source(source: str) -> Call[Inspection]:
    """Take a picture now and inspect it. Raises ProblemError, which says why there is none."""
    return post(Inspection, "/v1/sources/{}/trigger", source)
