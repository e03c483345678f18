"""A bank validates itself and survives its file; the format stays what docs/bank-format.md says."""

from __future__ import annotations

import json
import re
import resource
import tracemalloc
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from banks import INDEXES, tiny_bank, tiny_pca, tiny_ref
from safetensors.numpy import load as read_safetensors

from core.bank import (
    Bank,
    Conformance,
    CoresetRecord,
    Provenance,
    bank_bytes,
    check_image_name,
    load_bank,
    load_record,
    save_bank,
)
from core.config import DetectorConfig, InputConfig
from core.errors import BankError, ShapeError
from core.search import Index

GOLDEN = Path(__file__).parents[2] / "golden"
FORMAT_PAGE = Path(__file__).parents[3] / "docs" / "bank-format.md"
EVERY_KIND = pytest.mark.parametrize("kind", INDEXES)


@EVERY_KIND
def test_a_loaded_bank_equals_the_saved_one(kind: str, tmp_path: Path) -> None:
    bank = tiny_bank(kind)
    save_bank(bank, tmp_path / "part.bank")
    loaded = load_bank(tmp_path / "part.bank")
    assert (loaded.config, loaded.backbone, loaded.coreset) == (bank.config, bank.backbone, bank.coreset)
    assert loaded.provenance.images == bank.provenance.images
    assert loaded.conformance.tolerance == bank.conformance.tolerance
    assert loaded.index.recall == bank.index.recall
    for mine, theirs in zip(arrays_of(bank), arrays_of(loaded), strict=True):
        np.testing.assert_array_equal(mine, theirs)
        assert mine.dtype == theirs.dtype


@EVERY_KIND
def test_a_loaded_bank_searches_as_the_saved_one(kind: str, rng: np.random.Generator) -> None:
    bank, queries = tiny_bank(kind), rng.normal(size=(50, 8)).astype(np.float32) * 3
    loaded = load_bank(bank_bytes(bank))
    for mine, theirs in zip(bank.index.search(queries, 4), loaded.index.search(queries, 4), strict=True):
        np.testing.assert_array_equal(mine, theirs)


@EVERY_KIND
def test_the_same_bank_gives_the_same_bytes(kind: str, tmp_path: Path) -> None:
    first = bank_bytes(tiny_bank(kind))
    assert bank_bytes(tiny_bank(kind)) == first
    assert bank_bytes(load_bank(first)) == first
    save_bank(tiny_bank(kind), tmp_path / "part.bank")
    assert (tmp_path / "part.bank").read_bytes() == first
    assert bank_bytes(tiny_bank(kind, seed=1)) != first


def test_whole_numbers_where_floats_belong_are_written_as_floats() -> None:
    bank = tiny_bank()
    whole = replace(bank, config=DetectorConfig.from_json({**bank.config.to_json(), "sigma": 4}))
    assert bank_bytes(load_bank(bank_bytes(whole))) == bank_bytes(whole) == bank_bytes(bank)


def test_a_bank_without_conformance_images_survives() -> None:
    loaded = load_bank(bank_bytes(replace(tiny_bank(), conformance=Conformance())))
    assert loaded.conformance.images == ()
    assert len(loaded.conformance.scores) == 0


def test_names_of_any_script_survive() -> None:
    names = ("häß/良品.png", "a b.png", "🔩.jpg", "c:d/e.png"[2:], "..png")
    bank = tiny_bank()
    bank = replace(bank, provenance=replace(bank.provenance, images=names))
    assert load_bank(bank_bytes(bank)).provenance.images == names


def test_loaded_arrays_cannot_be_written_to() -> None:
    loaded = load_bank(bank_bytes(tiny_bank()))
    with pytest.raises(ValueError, match="read-only"):
        loaded.vectors[0, 0] = 1


def test_any_safetensors_reader_opens_a_bank() -> None:
    bank = tiny_bank("hnsw")
    tensors = read_safetensors(bank_bytes(bank))
    np.testing.assert_array_equal(tensors["vectors"], bank.vectors)
    np.testing.assert_array_equal(tensors["conformance.0"], bank.conformance.images[0])
    np.testing.assert_array_equal(tensors["index.levels"], bank.index.arrays()["levels"])


def test_saving_replaces_what_was_there_and_leaves_nothing_beside_it(tmp_path: Path) -> None:
    for seed in (1, 2):
        save_bank(tiny_bank(seed=seed), str(tmp_path / "part.bank"))
    assert [path.name for path in tmp_path.iterdir()] == ["part.bank"]
    assert load_bank(str(tmp_path / "part.bank")).config.seed == 2


def test_a_failed_save_leaves_the_old_bank_and_nothing_half_written(tmp_path: Path) -> None:
    save_bank(tiny_bank(seed=1), tmp_path / "part.bank")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, limits[1]))  # as a full disk would, part of the way
    try:
        with pytest.raises(BankError, match="has room"):
            save_bank(tiny_bank(seed=2), tmp_path / "part.bank")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert [path.name for path in tmp_path.iterdir()] == ["part.bank"]
    assert load_bank(tmp_path / "part.bank").config.seed == 1


def test_saving_where_no_file_can_be_is_refused(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    for place in (tmp_path / "folder", tmp_path / "missing" / "part.bank"):
        with pytest.raises(BankError, match="Choose another place"):
            save_bank(tiny_bank(), place)
    assert [path.name for path in tmp_path.iterdir()] == ["folder"]


def test_loading_takes_little_more_memory_than_the_file() -> None:
    data = bank_bytes(tiny_bank(m=60_000))
    tracemalloc.start()
    load_bank(data)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < len(data)


@pytest.mark.parametrize("kind", INDEXES)
def test_the_golden_bank_of_an_earlier_day_still_scores_as_it_did(kind: str) -> None:
    expected = json.loads((GOLDEN / "expected.json").read_text())
    bank = load_bank(GOLDEN / f"{kind}.bank")
    distances, ids = bank.index.search(np.array(expected["queries"], np.float32), 3)
    np.testing.assert_allclose(distances, expected[kind]["distances"], rtol=1e-6)
    np.testing.assert_array_equal(ids, expected[kind]["ids"])
    assert bank.provenance.images == tuple(expected["images"])
    assert bank.config.to_json() == expected[kind]["config"]
    np.testing.assert_allclose(bank.calibration_scores, expected["calibration_scores"], rtol=1e-6)
    assert bank_bytes(bank) == (GOLDEN / f"{kind}.bank").read_bytes()


def test_the_golden_bank_of_principal_components_still_scores_as_it_did() -> None:
    expected = json.loads((GOLDEN / "expected.json").read_text())
    bank = load_bank(GOLDEN / "pca.bank")
    assert bank.pca is not None
    queries = bank.pca.project(torch.tensor(expected["queries"])[None])[0]
    np.testing.assert_allclose(
        bank.index.search(queries.numpy())[0][:, 0], expected["pca"]["distances"], rtol=1e-5
    )
    assert bank.config.to_json() == expected["pca"]["config"]
    assert bank_bytes(bank) == (GOLDEN / "pca.bank").read_bytes()


def test_the_golden_bank_for_reduced_jpeg_still_scores_as_it_did() -> None:
    expected = json.loads((GOLDEN / "expected.json").read_text())
    bank = load_bank(GOLDEN / "reduced_jpeg.bank")
    distances, ids = bank.index.search(np.array(expected["queries"], np.float32), 3)
    np.testing.assert_allclose(distances, expected["flat"]["distances"], rtol=1e-6)
    np.testing.assert_array_equal(ids, expected["flat"]["ids"])
    flat = expected["flat"]["config"]
    assert bank.config.to_json() == flat | {"input": flat["input"] | {"reduced_jpeg": True}}
    assert bank_bytes(bank) == (GOLDEN / "reduced_jpeg.bank").read_bytes()


def test_a_bank_of_principal_components_survives_its_file_bit_for_bit() -> None:
    bank = tiny_bank(pca=4)
    data = bank_bytes(bank)
    loaded = load_bank(data)
    assert bank.pca is not None
    assert loaded.pca is not None
    assert torch.equal(loaded.pca.mean, bank.pca.mean)
    assert torch.equal(loaded.pca.components, bank.pca.components)
    assert loaded.config == bank.config
    assert bank_bytes(loaded) == data


@pytest.mark.parametrize(("pca", "version"), [(None, "1"), (4, "2")])
def test_only_a_bank_that_needs_the_newer_format_is_written_in_it(pca: int | None, version: str) -> None:
    data = bank_bytes(tiny_bank(pca=pca))
    table = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])
    assert table["__metadata__"]["version"] == version
    assert ("pca" in json.loads(table["__metadata__"]["header"])["config"]) == (pca is not None)


@pytest.mark.parametrize("pca", [None, 4])
def test_a_bank_for_reduced_jpeg_is_of_format_3_and_survives_its_file(pca: int | None) -> None:
    bank = tiny_bank(pca=pca)
    bank = replace(bank, config=replace(bank.config, input=InputConfig(reduced_jpeg=True)))
    data = bank_bytes(bank)
    table = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])
    assert table["__metadata__"]["version"] == "3"
    loaded = load_bank(data)
    assert loaded.config == bank.config
    assert bank_bytes(loaded) == data


@pytest.mark.parametrize("pca", [None, 4])
def test_a_bank_with_a_later_setting_lists_what_it_requires_and_survives_its_file(pca: int | None) -> None:
    bank = tiny_bank(pca=pca)
    bank = replace(bank, config=replace(bank.config, input=InputConfig(reduced_jpeg=True, grey=True)))
    data = bank_bytes(bank)
    table = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])["__metadata__"]
    assert table["version"] == "4"
    required = ["input.grey", "input.reduced_jpeg", *(["pca"] if pca else [])]
    assert json.loads(table["header"])["requires"] == required
    loaded = load_bank(data)
    assert loaded.config == bank.config
    assert bank_bytes(loaded) == data


GROUPED: dict[str, dict[str, Any]] = {
    "groups": {"groups": np.array([0, 1, 0, 2, 1], np.int32)},
    "a sample": {
        "calibrated": np.array([1, 2, 4], np.int32),
        "calibration_scores": np.array([1, 2, 3], np.float32),
        "calibration_peaks": np.array([1, 1, 2], np.float32),
    },
}
GROUPED["both"] = GROUPED["groups"] | GROUPED["a sample"]


@pytest.mark.parametrize("name", GROUPED)
def test_a_bank_with_groups_or_a_sample_is_of_format_4_and_survives_its_file(name: str) -> None:
    bank = replace(tiny_bank(), **GROUPED[name])
    data = bank_bytes(bank)
    assert b'"version":"4"' in data[:4096]
    loaded, record = load_bank(data), load_record(data)
    assert bank_bytes(loaded) == data
    expected = {"groups": [0, 1, 0, 2, 1], "a sample": [0, 1, 2], "both": [0, 1, 0]}[name]
    assert loaded.calibration_groups.tolist() == record.calibration_groups.tolist() == expected
    assert record.calibration_scores.tolist() == bank.calibration_scores.tolist()
    images = bank.provenance.images
    assert record.images == (images if name == "groups" else (images[1], images[2], images[4]))


def test_a_bank_with_a_floor_is_of_format_4_and_keeps_it() -> None:
    bank = tiny_bank()
    bank = replace(bank, config=replace(bank.config, min_bank_vectors=200))
    assert b'"version":"4"' in bank_bytes(bank)[:4096]
    assert load_bank(bank_bytes(bank)).config.min_bank_vectors == 200


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("groups", [0, 2, 0, 1, 1]),
        ("groups", [0, 1, 0]),
        ("groups", [-1, 0, 0, 1, 1]),
        ("calibrated", [1, 1, 4]),
        ("calibrated", [1, 2, 5]),
        ("calibrated", []),
    ],
)
def test_groups_and_samples_that_do_not_fit_the_images_are_refused(field: str, value: list[int]) -> None:
    with pytest.raises(ShapeError, match=r"(?i)groups must number|calibrated images must be"):
        replace(tiny_bank(), **GROUPED["a sample"] | {field: np.array(value, np.int32)})


@EVERY_KIND
@pytest.mark.parametrize("pca", [None, 4])
@pytest.mark.parametrize("later", [{}, {"reduced_jpeg": True}, {"grey": True}])
def test_the_reader_printed_in_the_format_page_reads_a_bank(
    kind: str, pca: int | None, later: dict[str, bool], tmp_path: Path
) -> None:
    bank = tiny_bank(kind, pca=pca)
    bank = replace(bank, config=replace(bank.config, input=InputConfig(**later)))
    save_bank(bank, tmp_path / "part.bank")
    (source,) = re.findall(r"```python\n(.*?)```", FORMAT_PAGE.read_text(), re.DOTALL)
    page: dict[str, Any] = {}
    exec(source, page)
    header, tensors = page["read"](tmp_path / "part.bank")
    assert header["config"] == bank.config.to_json()
    np.testing.assert_array_equal(tensors["vectors"], bank.vectors)
    (tmp_path / "part.bank").write_bytes(bank_bytes(bank)[:-1] + b"\0")
    with pytest.raises(AssertionError):
        page["read"](tmp_path / "part.bank")


@EVERY_KIND
def test_the_format_page_names_every_tensor_and_key(kind: str) -> None:
    bank, page = tiny_bank(kind, pca=4), FORMAT_PAGE.read_text()
    data = bank_bytes(replace(bank, config=replace(bank.config, input=InputConfig(grey=True))))
    table = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])
    header = json.loads(table.pop("__metadata__")["header"])
    names = [re.sub(r"conformance\.\d", "conformance.0", name) for name in table]
    keys = [key for part in header.values() if isinstance(part, dict) for key in part]
    missing = [name for name in (*names, *header, *header["requires"], *keys) if f"`{name}`" not in page]
    assert missing == []


@pytest.mark.parametrize(
    "name",
    [
        "",
        "x" * 1025,
        "/etc/passwd",
        "../bank.png",
        "good/../../x.png",
        "good//x.png",
        "./x.png",
        "good/",
        "C:/x.png",
        "good\\x.png",
        "a\nb.png",
        "a\x00.png",
        "a\x1b[2J.png",
        "a\x85.png",
        "a\u202egnp.exe",
        "a\u2028b.png",
        "a\udc80.png",
    ],
)
def test_image_names_that_lead_elsewhere_or_cannot_be_seen_are_refused(name: str) -> None:
    with pytest.raises(ShapeError, match="image name"):
        check_image_name(name)


def vary(**changes: Any) -> Callable[[Bank], Bank]:
    """A copy of a bank with some parts replaced."""
    return lambda bank: replace(bank, **changes)


def vary_provenance(**changes: Any) -> Callable[[Bank], Bank]:
    return lambda bank: replace(bank, provenance=replace(bank.provenance, **changes))


INVALID: dict[str, tuple[Callable[[Bank], object], str]] = {
    "backbone of other channels": (
        lambda bank: replace(bank, backbone=replace(tiny_ref(), channels=(3, 6))),
        "9 channels",
    ),
    "backbone without layers": (lambda bank: replace(tiny_ref(), layers=(), channels=()), "channel count"),
    "backbone with a strange name": (lambda bank: replace(tiny_ref(), name="tiny\n"), "ASCII"),
    "backbone that divides by zero": (lambda bank: replace(tiny_ref(), std=(0.0, 1.0, 1.0)), "std"),
    "backbone without a mean": (lambda bank: replace(tiny_ref(), mean=(np.nan, 1.0, 1.0)), "mean"),
    "principal components that no config asks for": (vary(pca=tiny_pca(4)), "only where its config asks"),
    "a config without its principal components": (
        lambda bank: replace(bank, config=replace(bank.config, pca=4)),
        "must hold them",
    ),
    "principal components of other vectors": (
        lambda bank: replace(bank, config=replace(bank.config, pca=4), pca=tiny_pca(4)),
        "PCA's 4 dimensions",
    ),
    "index of another kind than the config's": (
        lambda bank: replace(bank, index=Index.build(bank.vectors, INDEXES["hnsw"])),
        "as the config says",
    ),
    "places of fewer vectors": (
        lambda bank: replace(bank, provenance=cells(bank.provenance, slice(1, None))),
        "300 vectors",
    ),
    "places of no vectors": (lambda bank: cells(bank.provenance, slice(0, 0)), "one entry"),
    "columns of fewer vectors": (
        lambda bank: replace(bank.provenance, column=bank.provenance.column[1:]),
        "one entry",
    ),
    "image beyond the last": (vary_provenance(images=("a.png", "b.png")), "from 0 to 1"),
    "image below the first": (vary_provenance(image=np.full(300, -1, np.int32)), "from 0 to 4"),
    "row below zero": (vary_provenance(row=np.full(300, -1, np.int32)), "not be negative"),
    "name with a path": (vary_provenance(images=("../a", "b", "c", "d", "e")), "stay inside"),
    "scores of fewer images": (vary(calibration_scores=np.ones(4, np.float32)), "5 images"),
    "peaks of fewer images": (vary(calibration_peaks=np.ones(4, np.float32)), "5 images"),
    "score not a number": (vary(calibration_scores=np.full(5, np.nan, np.float32)), "finite"),
    "score below zero": (vary(calibration_scores=np.full(5, -1, np.float32)), "negative"),
    "coreset of fewer patches": (vary(coreset=CoresetRecord(1.0, 1.0, True, 299)), "at least the 300"),
    "coreset without a radius": (lambda bank: CoresetRecord(np.inf, 1.0, True, 9), "radius"),
    "coreset of nothing": (lambda bank: CoresetRecord(1.0, 1.0, True, 0), "patches"),
    "conformance images without scores": (
        lambda bank: replace(bank.conformance, scores=np.ones(1, np.float32)),
        "one score each",
    ),
    "conformance without tolerance": (lambda bank: replace(bank.conformance, tolerance=0.0), "tolerance"),
    "conformance score not a number": (
        lambda bank: replace(bank.conformance, scores=np.full(2, np.nan, np.float32)),
        "finite",
    ),
    "conformance image without pixels": (
        lambda bank: Conformance((np.empty((0, 4, 3), np.uint8),), np.ones(1, np.float32)),
        "pixels",
    ),
}


@pytest.mark.parametrize("name", INVALID)
def test_parts_that_do_not_fit_make_no_bank(name: str) -> None:
    change, message = INVALID[name]
    with pytest.raises(ShapeError, match=message):
        change(tiny_bank())


def cells(provenance: Provenance, kept: slice) -> Provenance:
    """Provenance of some of the vectors."""
    places = {name: getattr(provenance, name)[kept] for name in ("image", "row", "column")}
    return replace(provenance, **places)


def arrays_of(bank: Bank) -> list[np.ndarray]:
    places = bank.provenance
    state = bank.index.arrays()
    return [
        bank.vectors,
        *(places.image, places.row, places.column),
        *(bank.calibration_scores, bank.calibration_peaks),
        *(bank.conformance.scores, *bank.conformance.images),
        *(state[name] for name in sorted(state)),
    ]
