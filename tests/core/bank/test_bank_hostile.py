"""Bank files that are damaged, foreign or made to harm: each is refused, and says why."""

from __future__ import annotations

import hashlib
import json
import os
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from banks import tiny_bank
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.numpy import save as write_safetensors

from core.bank import bank_bytes, load_bank, load_record
from core.errors import BankCorrupt, BankError, BankFormatTooNew, BankHostile

TINY = bank_bytes(tiny_bank(m=3, n=2))
REDUCED = bank_bytes(tiny_bank(m=3, n=2, pca=4))
TYPES = {"F64": "<f8", "F32": "<f4", "I32": "<i4", "U8": "u1", "I64": "<i8"}

Header = dict[str, Any]
Tensors = dict[str, np.ndarray]


def test_the_bank_under_attack_is_sound() -> None:
    assert bank_bytes(load_bank(TINY)) == TINY
    assert seal(*parts(TINY)) == TINY


@pytest.mark.parametrize("mask", [0x01, 0x20, 0x80])
def test_every_changed_byte_is_found(mask: int) -> None:
    changed = (TINY[:i] + bytes([TINY[i] ^ mask]) + TINY[i + 1 :] for i in range(len(TINY)))
    assert [i for i, data in enumerate(changed) if not refused(data)] == []


def test_every_truncation_is_found() -> None:
    assert [length for length in range(len(TINY)) if not refused(TINY[:length])] == []


@pytest.mark.parametrize("extra", [b"\0", b" ", TINY, b"\0" * 4096])
def test_anything_after_the_end_is_found(extra: bytes) -> None:
    with pytest.raises(BankCorrupt):
        load_bank(TINY + extra)


@settings(max_examples=200, deadline=None, derandomize=True)
@given(st.binary(max_size=400), st.integers(0, len(TINY)), st.integers(0, 400))
def test_bytes_put_in_or_taken_out_are_found(junk: bytes, place: int, dropped: int) -> None:
    changed = TINY[:place] + junk + TINY[place + dropped :]
    assert changed == TINY or refused(changed)


SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(st.recursive(SCALARS, lambda x: st.lists(x) | st.dictionaries(st.text(max_size=9), x), max_leaves=9))
def test_any_json_in_place_of_the_table_is_refused(value: Any) -> None:
    text = json.dumps(value).encode()
    assert refused(len(text).to_bytes(8, "little") + text)


FOREIGN: dict[str, bytes] = {
    "nothing": b"",
    "one byte": b"{",
    "a PNG image": b"\x89PNG\r\n\x1a\n" + bytes(60),
    "a pickle": b"\x80\x04\x95\x1a\x00\x00\x00\x00\x00\x00\x00\x8c\x05posix\x94\x8c\x06system\x94\x93.",
    "a zip": b"PK\x03\x04" + bytes(60),
    "text": b"this is no bank at all, but a text",
    "JSON alone": b'{"format":"nominal-bank","version":"1"}',
    "an empty JSON object": (2).to_bytes(8, "little") + b"{}",
    "a safetensors file of other software": write_safetensors({"x": np.ones(3)}, {"format": "pt"}),
}


@pytest.mark.parametrize("name", FOREIGN)
def test_files_that_are_no_bank_are_called_so(name: str, tmp_path: Path) -> None:
    (tmp_path / "x.bank").write_bytes(FOREIGN[name])
    with pytest.raises(BankCorrupt, match="Restore the file"):
        load_bank(tmp_path / "x.bank")


def test_places_without_a_file_are_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")  # opening it would wait for ever
    for place, message in (("missing", "no file"), ("", "a folder"), ("pipe", "a folder or device")):
        with pytest.raises(BankError, match=message):
            load_bank(tmp_path / place)
    for odd in ("bad\0name", "x" * 5000):
        with pytest.raises(BankError, match="must be a readable file"):
            load_bank(odd)


@pytest.mark.parametrize("version", ["5", "10", "999999999"])
def test_a_newer_format_is_called_newer_whatever_else_it_holds(version: str) -> None:
    table = {"__metadata__": {"format": "nominal-bank", "version": version, "compressed": "yes"}, "what": [1]}
    text = json.dumps(table).encode()
    with pytest.raises(BankFormatTooNew, match=f"format {version}.*Update"):
        load_bank(len(text).to_bytes(8, "little") + text + b"whatever comes")


@pytest.mark.parametrize("version", ["0", "01", "-1", "", "1.0", "one", "²", "9" * 5000, None, 1, 2])
def test_a_version_that_is_no_version_is_corrupt(version: object) -> None:
    text = json.dumps({"__metadata__": {"format": "nominal-bank", "version": version}}).encode()
    with pytest.raises(BankCorrupt, match="version"):
        load_bank(len(text).to_bytes(8, "little") + text)


# --- lies in the table of tensors: the JSON is edited, no digest is looked at before the sizes are ---


def declare(name: str, **changes: object) -> Callable[[Header], None]:
    return lambda table: table[name].update(changes)


LIES: dict[str, Callable[[Header], object]] = {
    "a huge shape": declare("vectors", shape=[2**40, 8]),
    "a huge shape with offsets to match": declare("vectors", shape=[2**40, 8], data_offsets=[56, 56 + 2**45]),
    "a shape whose product overflows 64 bits": declare("vectors", shape=[2**40, 2**40, 2**40, 2**40]),
    "a shape beyond any file": declare("vectors", shape=[10**400, 8]),
    "a negative shape": declare("vectors", shape=[-3, -8]),
    "a shape of another type": declare("vectors", shape=[3.0, 8]),
    "a shape of truth": declare("vectors", shape=[True, 24]),
    "a shape of many dimensions": declare("vectors", shape=[1] * 60 + [24]),
    "no shape": lambda table: table["vectors"].pop("shape"),
    "an empty tensor with a huge side": declare("vectors", shape=[0, 2**47]),
    "a smaller shape than its bytes": declare("vectors", shape=[2, 8]),
    "overlapping offsets": lambda table: declare(
        "vectors", data_offsets=[value - 4 for value in table["vectors"]["data_offsets"]]
    )(table),
    "offsets that share another tensor's": lambda table: declare(
        "provenance.row", data_offsets=table["provenance.image"]["data_offsets"]
    )(table),
    "offsets the wrong way round": lambda table: table["vectors"]["data_offsets"].reverse(),
    "negative offsets": declare("vectors", data_offsets=[-96, 0]),
    "offsets past the end": declare("vectors", data_offsets=[2**40, 2**40 + 96]),
    "three offsets": declare("vectors", data_offsets=[0, 96, 96]),
    "offsets of text": declare("vectors", data_offsets=["0", "96"]),
    "a dtype nobody knows": declare("vectors", dtype="OBJECT"),
    "a dtype of another type": declare("vectors", dtype=["F32"]),
    "a key too many": declare("vectors", url="file:///etc/passwd"),
    "a tensor that is no object": lambda table: table.update(vectors=[1, 2]),
    "metadata that is no object": lambda table: table.update(__metadata__="nominal-bank"),
    "metadata with a key too many": lambda table: table["__metadata__"].update(extra="x"),
    "a header that is no text": lambda table: table["__metadata__"].update(header={}),
    "a header of half a character": lambda table: table["__metadata__"].update(header="\ud800"),
    "a tensor named by half a character": lambda table: table.update({"\ud800": table.pop("vectors")}),
    "a digest that is no text": lambda table: table["__metadata__"].update(sha256=0),
    "a digest of something else": lambda table: table["__metadata__"].update(sha256="0" * 64),
}


@pytest.mark.parametrize("name", LIES)
def test_a_table_that_lies_is_refused_without_taking_the_memory_it_asks_for(name: str) -> None:
    table, body = split(TINY)
    LIES[name](table)
    data = join(json.dumps(table), body)
    tracemalloc.start()
    with pytest.raises((BankCorrupt, BankHostile)):
        load_bank(data)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1_000_000


SPELLINGS: dict[str, Callable[[str], str]] = {
    "a key twice": lambda text: text.replace('"shape"', '"dtype":"F32","shape"', 1),
    "a tensor twice": lambda text: text[:-1] + "," + text[text.index('"vectors"') :],
    "spaces between": lambda text: text.replace(":", ": "),
    "keys in another order": lambda text: json.dumps(dict(reversed(json.loads(text).items()))),
    "an escaped letter": lambda text: text.replace('"vectors"', '"\\u0076ectors"'),
    "a number not a number": lambda text: text.replace("[0,8]", "[NaN,8]"),
    "no JSON": lambda text: text[:-1],
    "bytes that are no text": lambda text: text.replace('"vectors"', '"vectors\udcff"'),
    "deep nesting": lambda text: '{"a":' + "[" * 30_000 + "]" * 30_000 + "}",
    "many thousands of digits": lambda text: '{"a":' + "9" * 60_000 + "}",
}


@pytest.mark.parametrize("name", SPELLINGS)
def test_json_that_no_writer_writes_is_refused(name: str) -> None:
    table, body = split(TINY)
    text = SPELLINGS[name](json.dumps(table, sort_keys=True, separators=(",", ":")))
    with pytest.raises(BankCorrupt):
        load_bank(join(text, body))


def test_a_header_larger_than_any_bank_has_is_hostile_and_one_larger_than_the_file_corrupt() -> None:
    with pytest.raises(BankHostile, match="at most 65536"):
        load_bank((2**63).to_bytes(8, "little") + b'{"')
    with pytest.raises(BankCorrupt, match="truncated"):
        load_bank((60_000).to_bytes(8, "little") + b'{"')


# --- files whose digest holds: only what they say is wrong ---


def put(name: str, place: Any, value: float) -> Callable[[Header, Tensors], object]:
    def change(header: Header, tensors: Tensors) -> None:
        tensors[name] = tensors[name].copy()
        tensors[name][place] = value

    return change


def tensor(name: str, make: Callable[[np.ndarray], np.ndarray]) -> Callable[[Header, Tensors], object]:
    return lambda header, tensors: tensors.update({name: make(tensors[name])})


def names(*wanted: str) -> Callable[[Header, Tensors], object]:
    text = "".join(f"{name}\n" for name in wanted).encode("utf-8", "surrogatepass")
    return lambda header, tensors: tensors.update({"provenance.images": np.frombuffer(text, np.uint8)})


def head(part: str, **changes: object) -> Callable[[Header, Tensors], object]:
    return lambda header, tensors: header[part].update(changes)


def inner(part: str, section: str, **changes: object) -> Callable[[Header, Tensors], object]:
    return lambda header, tensors: header[part][section].update(changes)


HOSTILE: dict[str, tuple[Callable[[Header, Tensors], object], str]] = {
    "a name that climbs out": (names("../../etc/cron.d/x", "b.png"), "inside its folder"),
    "an absolute name": (names("/etc/passwd", "b.png"), "inside its folder"),
    "a Windows path": (names("C:\\Windows\\x.png", "b.png"), "inside its folder"),
    "a name that moves the cursor": (names("\x1b[2Jgood.png", "b.png"), "control"),
    "a name that reads backwards": (names("good\u202egnp.exe", "b.png"), "control"),
    "an empty name": (names("", "b.png"), "1 to 1024"),
    "an endless name": (names("x" * 5000, "b.png"), "1 to 1024"),
    "too many names": (names("a.png", "b.png", "c.png"), "2 images"),
    "too few names": (names("a.png"), "2 images"),
    "names without an end": (tensor("provenance.images", lambda text: text[:-1].copy()), "2 images"),
    "names that are no text": (put("provenance.images", 0, 0xFF), "UTF-8"),
    "names that are half a character": (names("\ud800.png", "b.png"), "UTF-8"),
    "vectors not a number": (put("vectors", (1, 1), np.nan), "finite"),
    "vectors without end": (put("vectors", (1, 1), np.inf), "finite"),
    "vectors whose squares overflow": (put("vectors", (1, 1), 1e30), "finite"),
    "vectors of another precision": (tensor("vectors", lambda x: x.astype(np.float64)), "float32"),
    "vectors in a row": (tensor("vectors", lambda x: x.reshape(-1)), "2 dimension"),
    "vectors of no dimension": (tensor("vectors", lambda x: np.empty(0, np.float32)), "2 dimension"),
    "fewer vectors than places": (tensor("vectors", lambda x: x[:2]), "places|2 vectors"),
    "vectors of another dimension": (tensor("vectors", lambda x: x[:, :7].copy()), "8 channels"),
    "a place in no image": (put("provenance.image", 0, 2), "from 0 to 1"),
    "a place before the first image": (put("provenance.image", 0, -1), "from 0 to 1"),
    "a row above the grid": (put("provenance.row", 0, -5), "negative"),
    "places of another type": (tensor("provenance.row", lambda x: x.astype(np.int64)), "int32|known dtype"),
    "scores not a number": (put("calibration.scores", 0, np.nan), "finite"),
    "scores below zero": (put("calibration.peaks", 0, -1), "negative"),
    "peaks of other images": (tensor("calibration.peaks", lambda x: x[:1]), "2 images"),
    "no scores": (tensor("calibration.scores", lambda x: x[:0]), "0 images"),
    "a conformance image missing": (lambda header, tensors: tensors.pop("conformance.1"), r"conformance\.1"),
    "a conformance image too many": (
        lambda header, tensors: tensors.update({"conformance.2": tensors["conformance.1"]}),
        "does not name",
    ),
    "a conformance image without colours": (
        tensor("conformance.0", lambda x: x[:, :, :2].copy()),
        "three channels",
    ),
    "a conformance image of no depth": (tensor("conformance.0", lambda x: x[:, :, 0].copy()), "3 dimension"),
    "a tensor missing": (lambda header, tensors: tensors.pop("vectors"), "must hold vectors"),
    "a tensor unknown": (
        lambda header, tensors: tensors.update({"../../evil": np.ones(3, np.uint8)}),
        "does not name",
    ),
    "an index in a flat bank": (
        lambda header, tensors: tensors.update({"index.levels": np.ones(3, np.int32)}),
        "no arrays",
    ),
    "a part missing": (lambda header, tensors: header.pop("coreset"), "exactly the keys"),
    "a part unknown": (lambda header, tensors: header.update(run="rm -rf"), "exactly the keys"),
    "a part that is no object": (lambda header, tensors: header.update(backbone=7), "exactly the keys"),
    "a config that is no object": (lambda header, tensors: header.update(config=[]), "exactly the keys"),
    "a setting unknown": (head("config", shell="rm"), "exactly the keys"),
    "a setting of another type": (head("config", seed="0"), "must be int"),
    "a setting of truth": (head("config", seed=True), "must be int"),
    "a setting without end": (head("config", sigma=1e300), "Sigma must be from 0 to 64"),
    "a setting beyond its range": (head("config", coreset_ratio=7), r"in \(0, 1\]"),
    "an input of many gigabytes": (inner("config", "input", size=2**20), "size"),
    "an index of no kind": (inner("config", "index", kind="pickle"), "kind"),
    "an index of another kind": (inner("config", "index", kind="hnsw"), "recall"),
    "an index with endless effort": (inner("config", "index", effort=2**62), "effort"),
    "a backbone named like a path": (head("backbone", name="../../weights"), "ASCII"),
    "a backbone with a digest for the terminal": (head("backbone", digest="\x1b[31m"), "ASCII"),
    "channels of truth": (head("backbone", channels=[True, 7]), "be int"),
    "channels below zero": (head("backbone", channels=[-1, 9]), "above 0"),
    "more layers than channels": (head("backbone", layers=["a", "b", "c"]), "one channel count"),
    "four colours": (head("backbone", mean=[0.1] * 4), "3 entries"),
    "a deviation of zero": (head("backbone", std=[0.0, 0.1, 0.1]), "std"),
    "a deviation that is 0 in float32": (head("backbone", std=[1e-300, 0.1, 0.1]), "std at least 1e-06"),
    "a radius below zero": (head("coreset", covering_radius=-1.0), "negative"),
    "a coreset larger than its source": (head("coreset", source_patches=1), "at least the 3"),
    "a tolerance that allows anything": (lambda header, tensors: header.update(tolerance=1e9), "tolerance"),
    "a whole number where a float belongs": (head("coreset", covering_radius=1), "canonical"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_content_no_build_writes_is_refused_though_its_digest_holds(name: str) -> None:
    header, tensors = parts(TINY)
    change, message = HOSTILE[name]
    change(header, tensors)
    with pytest.raises((BankHostile, BankCorrupt), match=message):
        load_bank(seal(header, tensors))


@pytest.mark.parametrize("text", ['{"a":1,"a":2}', "[1", "[" * 20_000, '{"a":Infinity}', '{"a":1e999}'])
def test_a_header_that_is_no_plain_json_is_refused_though_its_digest_holds(text: str) -> None:
    with pytest.raises((BankHostile, BankCorrupt)):
        load_bank(seal(text, parts(TINY)[1]))


@pytest.mark.parametrize(
    ("kind", "change"),
    [
        ("hnsw", put("index.neighbours", 0, 2**31 - 1)),
        ("hnsw", put("index.neighbours", slice(None), -7)),
        ("hnsw", put("index.levels", 0, 99)),
        ("hnsw", put("index.entry", 0, -1)),
        ("hnsw", put("index.recall", 0, np.nan)),
        ("hnsw", lambda header, tensors: tensors.pop("index.levels")),
        ("ivfpq", put("index.lists", 0, 10**6)),
        ("ivfpq", put("index.centroids", (0, 0), np.nan)),
        ("ivfpq", tensor("index.codes", lambda codes: codes[:-1])),
        ("ivfpq", lambda header, tensors: tensors.update({"index.bytes": np.zeros(8, np.uint8)})),
    ],
)
def test_hostile_index_arrays_are_refused_though_their_digest_holds(
    kind: str, change: Callable[[Header, Tensors], object]
) -> None:
    header, tensors = parts(bank_bytes(tiny_bank(kind)))
    change(header, tensors)
    with pytest.raises(BankHostile):
        load_bank(seal(header, tensors))


HOSTILE_PCA: dict[str, tuple[Callable[[Header, Tensors], object], str]] = {
    "no mean": (lambda header, tensors: tensors.pop("pca.mean"), r"must hold pca\.mean"),
    "no components": (lambda header, tensors: tensors.pop("pca.components"), r"must hold pca\.components"),
    "a mean not a number": (put("pca.mean", 0, np.nan), "mean must be finite"),
    "a mean without end": (put("pca.mean", 0, np.inf), "mean must be finite"),
    "a mean whose square overflows": (put("pca.mean", 0, 1e30), "mean must be finite"),
    "a mean of other dimensions": (tensor("pca.mean", lambda x: x[:7].copy()), "a mean of d"),
    "a mean of another precision": (tensor("pca.mean", lambda x: x.astype(np.float64)), "float32"),
    "components not a number": (put("pca.components", (0, 0), np.nan), "perpendicular"),
    "components without end": (put("pca.components", (1, 2), -np.inf), "perpendicular"),
    "components that lengthen": (tensor("pca.components", lambda x: 2 * x), "perpendicular"),
    "components all alike": (put("pca.components", 1, 8**-0.5), "perpendicular"),
    "components in a row": (tensor("pca.components", lambda x: x.reshape(-1)), "2 dimension"),
    "more components than dimensions": (
        tensor("pca.components", lambda x: np.concatenate([x, x, x])),
        "from 1 to d",
    ),
    "components of other dimensions": (
        lambda header, tensors: (
            tensor("pca.components", lambda x: np.eye(4, 7, dtype=np.float32))(header, tensors),
            tensor("pca.mean", lambda x: x[:7].copy())(header, tensors),
        ),
        "8 channels",
    ),
    "fewer components than the config's": (tensor("pca.components", lambda x: x[:3].copy()), "4 components"),
    "vectors of the whole dimensions": (tensor("vectors", lambda x: np.tile(x, 2)), "PCA's 4 dimensions"),
    "a number of components that is none": (head("config", pca="4"), "must be int"),
    "a number of components of truth": (head("config", pca=True), "must be int"),
    "no components at all": (head("config", pca=0), "Pca must be from 1"),
    "more components than any backbone has": (head("config", pca=2**40), "Pca must be from 1"),
}


@pytest.mark.parametrize("name", HOSTILE_PCA)
def test_hostile_principal_components_are_refused_though_their_digest_holds(name: str) -> None:
    header, tensors = parts(REDUCED)
    change, message = HOSTILE_PCA[name]
    change(header, tensors)
    with pytest.raises(BankHostile, match=message):
        load_bank(seal(header, tensors, version=2))


def test_principal_components_belong_to_format_2_alone() -> None:
    assert seal(*parts(REDUCED), version=2) == REDUCED
    with pytest.raises(BankHostile, match="of format 2; received format 1"):
        load_bank(seal(*parts(REDUCED), version=1))
    with pytest.raises(BankHostile, match="of format 1; received format 2"):
        load_bank(seal(*parts(TINY), version=2))


def test_reduced_jpeg_belongs_to_format_3_alone() -> None:
    header, tensors = parts(TINY)
    header["config"]["input"]["reduced_jpeg"] = True
    assert load_bank(seal(header, tensors, version=3)).config.input.reduced_jpeg
    with pytest.raises(BankHostile, match="of format 3; received format 1"):
        load_bank(seal(header, tensors, version=1))
    with pytest.raises(BankHostile, match="of format 1; received format 3"):
        load_bank(seal(*parts(TINY), version=3))


def grey(*required: str) -> bytes:
    """A bank for shades of grey that says it requires these."""
    header, tensors = parts(TINY)
    header["config"]["input"]["grey"] = True
    return seal(header | {"requires": list(required)}, tensors, version=4)


def test_what_a_newer_release_requires_is_refused_by_its_name_before_anything_else() -> None:
    assert load_bank(grey("input.grey")).config.input.grey
    header, tensors = parts(TINY)
    header["config"]["input"]["colour"] = "lab"
    newer = seal(header | {"requires": ["dials", "input.colour"], "dials": 3}, tensors, version=4)
    for read in (load_bank, load_record):
        with pytest.raises(BankFormatTooNew, match=r"received 'dials, input\.colour'\. Update Nominal"):
            read(newer)


def listing(required: object, version: int = 1) -> bytes:
    """A plain bank that says it requires these."""
    header, tensors = parts(TINY)
    return seal(header | {"requires": required}, tensors, version)


@pytest.mark.parametrize(
    ("made", "message"),
    [
        (lambda: grey(), "canonical"),
        (lambda: grey("input.grey", "input.grey"), "canonical"),
        (lambda: grey("input.grey", "input.reduced_jpeg"), "canonical"),
        (lambda: grey("input.grey", "pca"), r"must hold pca\.mean"),
        (lambda: listing([], version=4), "of format 1; received format 4"),
        (lambda: listing(["pca"]), "of format 2; received format 1"),
        (lambda: listing([]), "canonical"),
        (lambda: listing("pca", version=4), "requires must be"),
        (lambda: listing([7], version=4), r"requires must be str; received 7"),
    ],
)
def test_requirements_that_are_not_those_of_the_bank_are_refused(
    made: Callable[[], bytes], message: str
) -> None:
    with pytest.raises(BankHostile, match=message):
        load_bank(made())


def test_a_later_setting_of_format_4_belongs_to_no_other_format() -> None:
    header, tensors = parts(TINY)
    header["config"]["input"]["grey"] = True
    for version in (1, 2, 3):
        with pytest.raises(BankHostile, match=f"of format 4; received format {version}"):
            load_bank(seal(header, tensors, version=version))


def test_principal_components_that_the_config_does_not_ask_for_are_refused() -> None:
    header, tensors = parts(TINY)
    extra = {name: array for name, array in parts(REDUCED)[1].items() if name.startswith("pca.")}
    with pytest.raises(BankHostile, match="does not name"):
        load_bank(seal(header, tensors | extra))
    header["config"]["pca"] = None
    with pytest.raises(BankHostile, match="canonical"):
        load_bank(seal(header, tensors))


def test_every_refusal_says_requirement_received_and_remedy() -> None:
    header, tensors = parts(TINY)
    header["tolerance"] = 2.0
    for data in (b"", TINY[:-1], seal(header, tensors)):
        with pytest.raises(BankError) as caught:
            load_bank(data)
        assert all((caught.value.requirement, caught.value.received, caught.value.remedy))


# --- a second writer, from docs/bank-format.md, that writes whatever it is told ---


def split(data: bytes) -> tuple[Header, bytes]:
    body = 8 + int.from_bytes(data[:8], "little")
    return json.loads(data[8:body]), data[body:]


def join(text: str, body: bytes) -> bytes:
    encoded = text.encode("utf-8", "surrogateescape")
    encoded += b" " * (-len(encoded) % 8)
    return len(encoded).to_bytes(8, "little") + encoded + body


def parts(data: bytes) -> tuple[Header, Tensors]:
    """Header and tensors of a bank."""
    table, body = split(data)
    header = json.loads(table.pop("__metadata__")["header"])
    return header, {name: view(body, **entry) for name, entry in table.items()}


def view(body: bytes, dtype: str, shape: list[int], data_offsets: list[int]) -> np.ndarray:
    return np.frombuffer(body[slice(*data_offsets)], TYPES[dtype]).reshape(shape)


def seal(header: Header | str, tensors: Tensors, version: int = 1) -> bytes:
    """A bank file of any content with the digest that belongs to it."""
    text = header if isinstance(header, str) else json.dumps(header, sort_keys=True, separators=(",", ":"))
    order = sorted(tensors, key=lambda name: (-tensors[name].itemsize, name))
    codes = {np.dtype(kind): code for code, kind in TYPES.items()}
    listed = [[name, codes[tensors[name].dtype], list(tensors[name].shape)] for name in order]
    body = b"".join(tensors[name].tobytes() for name in order)
    described = (
        f"nominal-bank {version}\n{text}\n{json.dumps(listed, separators=(',', ':'))}\n".encode() + body
    )
    table: Header = {
        "__metadata__": {
            "format": "nominal-bank",
            "version": str(version),
            "header": text,
            "sha256": hashlib.sha256(described).hexdigest(),
        }
    }
    end = 0
    for name, kind, shape in listed:
        start, end = end, end + tensors[name].nbytes
        table[name] = {"dtype": kind, "shape": shape, "data_offsets": [start, end]}
    return join(json.dumps(table, sort_keys=True, separators=(",", ":")), body)


def refused(data: bytes) -> bool:
    try:
        load_bank(data)
    except BankError:
        return True
    return False
