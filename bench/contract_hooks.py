"""What schemathesis needs to know of Nominal: files of many types, and ids of things that exist.

A hooks module (SCHEMATHESIS_HOOKS) of ``python -m bench.contract``, shared with the test of the API. The ids are those
of the JSON in ``NOMINAL_CONTRACT_IDS``, by the names that paths give them.
"""

from __future__ import annotations

import gzip
import io
import json
import os
import zipfile
from typing import Any

import schemathesis
from hypothesis import strategies as st

from bench.line import part

FILES = (
    "image/png", "image/jpeg", "image/bmp", "image/tiff", "image/webp", "image/*", "application/octet-stream",
    "application/zip", "application/x-tar", "application/gzip", "application/vnd.nominal.bank",
)  # fmt: skip
IDS = "NOMINAL_CONTRACT_IDS"


def files() -> st.SearchStrategy[bytes]:
    """What comes as a file, under any name of a type: images, archives, parts of them, anything."""
    png = part(9, 64)
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("a.png", png)
    known = st.sampled_from([png, part(8, 64, flaw=True), packed.getvalue(), gzip.compress(png), b""])
    return known | known.map(lambda data: data[: len(data) // 2]) | st.binary(max_size=200)


for media_type in FILES:
    schemathesis.openapi.media_type(media_type, files())


@schemathesis.hook
def map_path_parameters(context: Any, path_parameters: dict[str, Any] | None) -> dict[str, Any] | None:
    """Two of three requests name what exists; what would destroy it keeps the id that was drawn."""
    ids: dict[str, str] = json.loads(os.environ.get(IDS, "{}"))
    destroys = context.operation.method.upper() == "DELETE"
    if path_parameters and not destroys and sum(repr(path_parameters).encode()) % 3:
        return path_parameters | {name: ids[name] for name in path_parameters.keys() & ids.keys()}
    return path_parameters
