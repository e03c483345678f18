"""Calls about defects: similar past inspections, and the kinds that people name."""

from __future__ import annotations

from nominal_client.answers.defects import Kind, KindList, KindRenamed, SimilarInspections
from nominal_client.call import Call, at, get, parsed, post
from nominal_client.streams import as_json


def list_similar_inspections(
    inspection: str, *, k: int = 10, reviewed: bool | None = None, siblings: bool = False
) -> Call[SimilarInspections]:
    """Past inspections whose worst places look most like this one's, with their verdicts and kinds; at most 100.

    reviewed: only those with a verdict, or without. siblings: other photographs of the same part too.
    """
    return get(
        SimilarInspections,
        "/v1/inspections/{}/similar",
        inspection,
        k=k,
        reviewed=reviewed,
        siblings=siblings,
    )


def list_kinds(bank: str) -> Call[list[Kind]]:
    """The kinds of defects that reviews of a bank name, the most frequent first."""
    whole = parsed(KindList)
    return Call("GET", at("/v1/banks/{}/kinds", bank), lambda response: whole(response).items)


def rename_kind(bank: str, old: str, new: str) -> Call[KindRenamed]:
    """Call a kind by another name; where that is another kind's, the two become one."""
    return post(KindRenamed, "/v1/banks/{}/kinds/rename", bank, body=as_json({"from": old, "to": new}))
