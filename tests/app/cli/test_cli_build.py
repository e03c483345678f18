"""``nominal build``: folders of good images, options, refusals, interruption."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import struct
import subprocess
import sys
import zlib
from pathlib import Path

import numpy as np
import pytest
import torch
from fakes import tiny_weights
from parts import parts
from PIL import Image
from safetensors.torch import load_file, save_file

from app.imaging.folders import list_images
from app.imaging.pictures import encode_jpeg, encode_png
from core.bank import load_bank
from core.config import AugmentConfig, DetectorConfig, IndexConfig, InputConfig, PatchConfig
from models.spec import SPECS
from models.weights import export
from nominal_client.litter import left_out

pytest_plugins = ("command_line",)

SHARED = Path(__file__).parents[4] / "shared" / "data"
QUICK = ("--size", 64, "--min-bank-vectors", 0, "--target-false-reject", 0.1)
MESSAGE = re.compile(r"^\w+: \S.*; received .+\. \S.*\.$")


@pytest.fixture
def good(tmp_path) -> Path:
    folder = tmp_path / "good"
    folder.mkdir()
    for i, image in enumerate(parts(12)):
        (folder / f"{i:03d}.png").write_bytes(encode_png(image))
    return folder


@pytest.fixture
def out(tmp_path) -> Path:
    """A place for a bank in a folder of its own."""
    (tmp_path / "banks").mkdir()
    return tmp_path / "banks" / "part.bank"


def refusal(ended, out: Path) -> str:
    """The last line of a refusal that printed nothing else and left nothing behind."""
    assert ended.status == 1
    assert ended.out == ""
    assert "Traceback" not in ended.err
    line = ended.err.rstrip("\n").rpartition("\n")[2]
    assert MESSAGE.match(line), line
    assert list(out.parent.iterdir()) == []
    return line


def test_a_folder_becomes_a_bank_with_a_promise(nominal, tiny, good, out):
    ended = nominal("build", good, "--out", out, *tiny, *QUICK)
    assert (ended.status, list(out.parent.iterdir())) == (0, [out])
    assert ended.out.startswith(
        f"Wrote {out}\n12 photographs of 12 parts; they support a false-reject rate of 7.7 % at best.\n"
        "12 nominal images support false-reject rates from 7.692 %"
    )
    bank = load_bank(out)
    assert bank.provenance.images == tuple(f"{i:03d}.png" for i in range(12))


def test_the_need_for_memory_is_said_on_standard_error_before_the_bars(nominal, tiny, good, out):
    err = nominal("build", good, "--out", out, *tiny, *QUICK).err
    said = re.search(
        r"12 images have 768 patches; 8 are kept \(exact\), that takes up to \d+ MB of memory", err
    )
    assert said
    assert said.start() < err.index("Reading features")


def test_json_is_one_object_and_nothing_else(nominal, tiny, good, out):
    found = nominal("build", good, "--out", out, *tiny, *QUICK, "--json").json
    assert (found["bank"], found["skipped"], found["bank_vectors"]) == (str(out), [], 8)
    assert found["threshold_reject"] == load_bank(out).calibration_scores.max()


def test_mixed_shapes_and_unused_bits_are_said_with_what_to_do(nominal, tiny, good, out):
    for number in range(3):
        shade = np.random.default_rng(number).integers(0, 4000, (64, 96)).astype(np.uint16)
        Image.fromarray(shade).save(good / f"wide{number}.png")
    ended = nominal("build", good, "--out", out, *tiny, *QUICK, "--groups", "none", "--json")
    shapes, dark = ended.json["notices"][-2:]
    assert shapes.startswith(
        "The photographs differ in shape: 12 1.00 times as wide as high; "
        "3 1.50 times as wide as high (wide0.png, wide1.png, wide2.png)."
    )
    assert dark.startswith("3 of 15 photographs are read as dark: 12 of 16 bits in use.")
    assert "--significant-bits 12" in dark
    assert all(sentence in ended.err for sentence in (shapes, dark))
    (good / "wide0.png").unlink()
    Image.fromarray(np.full((64, 96), 65_535, np.uint16)).save(good / "wide0.png")
    ended = nominal("build", good, "--out", out, *tiny, *QUICK, "--groups", "none", "--json")
    assert "Others use more" in ended.json["notices"][-1]
    (good / "wide0.png").unlink()
    again = nominal(
        "build", good, "--out", out, *tiny, *QUICK, "--groups", "none", "--significant-bits", 12, "--json"
    )
    assert again.json["notices"][-1].startswith("The photographs differ in shape")
    assert load_bank(out).config.input.significant_bits == 12


def test_the_same_command_twice_writes_the_same_bytes_and_another_seed_others(nominal, tiny, good, out):
    banks = []
    for seed in (0, 0, 1):
        nominal("build", good, "--out", out, *tiny, *QUICK, "--seed", seed)
        banks.append(out.read_bytes())
    assert banks[0] == banks[1] != banks[2]


def test_every_option_reaches_the_bank(nominal, tiny, good, out):
    options = [
        "--size",
        96,
        "--fit",
        "letterbox",
        "--crop",
        64,
        "--coreset-ratio",
        0.5,
        "--max-bank-vectors",
        40,
    ]
    options += ["--seed", 5, "--target-false-reject", 0.1, "--target-review", 0.3, "--reweight"]
    options += ["--reduced-jpeg", "--grey", "--patch-size", 5, "--stride", 2, "--index", "hnsw", "--pca", 8]
    options += ["--augment", "flips,rotation=5,copies=1"]
    assert nominal("build", good, "--out", out, *tiny, *options).status == 0
    bank = load_bank(out)
    assert bank.config == DetectorConfig(
        input=InputConfig(96, "letterbox", 64, reduced_jpeg=True, grey=True),
        patch=PatchConfig(5, 2),
        index=IndexConfig("hnsw"),
        coreset_ratio=0.5,
        max_bank_vectors=40,
        seed=5,
        reweight=True,
        target_false_reject=0.1,
        target_review=0.3,
        pca=8,
        augment=AugmentConfig(rotation=5.0, flips=True, copies=1),
    )
    assert bank.vectors.shape == (40, 8)


def test_a_mask_reaches_the_bank_and_one_that_does_not_fit_is_refused_by_the_images_name(
    nominal, tiny, good, out, tmp_path
):
    mask, wide = tmp_path / "roi.json", tmp_path / "wide.json"
    shapes = {"inspect": [{"rectangle": [0, 0, 32, 64]}]}
    mask.write_text(json.dumps({"width": 64, "height": 64, **shapes}))
    wide.write_text(json.dumps({"width": 128, "height": 64, **shapes}))
    done = nominal("build", good, "--out", out, *tiny, *QUICK, "--mask", mask, "--json")
    assert done.json["inspected_share"] == 0.5
    bank = load_bank(out)
    assert bank.provenance.column.max() < 4
    assert bank.coreset.source_patches == 12 * 8 * 4
    refused = nominal("build", good, "--out", out, *tiny, *QUICK, "--mask", wide)
    assert refused.status == 1
    assert "aspect ratio of the bank's mask, 128 x 64; received 000.png of 64 x 64 pixels" in refused.err
    assert np.array_equal(load_bank(out).vectors, bank.vectors), "the bank that was there stays"


def test_copies_are_said_with_their_factor_and_shown_with_the_bank(nominal, tiny, good, out):
    built = nominal("build", good, "--out", out, *tiny, *QUICK, "--augment", "flips,quarter-turns", "--json")
    assert "12 images, each learned 8 times, have 6,144 patches; 8 are kept" in built.err
    assert json.loads(built.out)["augment"] == "flips,quarter-turns"
    assert json.loads(nominal("show", out, "--json").out)["augment"] == "flips,quarter-turns"


def test_subfolders_are_read_by_option_and_name_their_images(nominal, tiny, good, out):
    (good / "more").mkdir()
    (good / "more" / "x.jpg").write_bytes(encode_jpeg(parts(1)[0]))
    nominal("build", good, "--out", out, *tiny, *QUICK, "--recursive")
    assert "more/x.jpg" in load_bank(out).provenance.images
    nominal("build", good, "--out", out, *tiny, *QUICK)
    assert "more/x.jpg" not in load_bank(out).provenance.images


def test_what_a_folder_holds_besides_images_is_said_with_counts_and_not_learnt(nominal, tiny, good, out):
    for name in (
        "@eaDir/000.png/THUMB.png",
        "@eaDir/001.png/THUMB.png",
        ".DS_Store",
        "notes.txt",
        "more/x.png",
    ):
        (good / name).parent.mkdir(parents=True, exist_ok=True)
        (good / name).write_bytes(encode_png(parts(1, seed=9)[0]))
    (good / "a.jfif").write_bytes(encode_jpeg(parts(1, seed=5)[0]))
    ended = nominal("build", good, "--out", out, *tiny, *QUICK, "--json")
    assert "Not read, 3 files: .DS_Store, @eaDir/ (hidden, or kept by a system for itself)." in ended.err
    assert "Not read, 1 file: more/ (a folder inside the folder)." in ended.err
    assert (
        "Not read, 1 file: notes.txt (a PNG whose name ends otherwise: rename it to have it read)."
        in ended.err
    )
    assert {each["name"]: each["files"] for each in ended.json["left_out"]} == {
        ".DS_Store": 1, "@eaDir/": 2, "more/": 1, "notes.txt": 1,
    }  # fmt: skip
    assert [name for name in load_bank(out).provenance.images if not name.endswith(".png")] == ["a.jfif"]


@pytest.mark.parametrize(
    ("folder", "read", "left"),
    [
        ("nas_folder", 4, {"#recycle/": 1, "@eaDir/": 4}),
        ("suffixes", 7, {"7.pgm": 1}),
    ],
)
def test_folders_of_storage_and_cameras_are_read_as_people_mean_them(folder, read, left):
    place = SHARED / "faults" / folder
    if not place.is_dir():
        pytest.skip("needs ../shared/data/faults")
    paths = list_images(place, recursive=True)
    assert len(paths) == read
    assert {each.name: each.files for each in left_out(place, paths)} == left


# Refused images and folders


def huge_png() -> bytes:
    """30,000 x 30,000 pixels in a few bytes."""
    header = struct.pack(">IIBBBBB", 30_000, 30_000, 8, 2, 0, 0, 0)
    parts = [(b"IHDR", header), (b"IDAT", zlib.compress(b"")), (b"IEND", b"")]
    chunks = b"".join(
        struct.pack(">I", len(d)) + k + d + struct.pack(">I", zlib.crc32(k + d)) for k, d in parts
    )
    return b"\x89PNG\r\n\x1a\n" + chunks


WHOLE = encode_png(parts(1)[0])
BAD = {
    "no image": (b"These are notes about the parts.", "ImageFormatUnsupported"),
    "truncated": (WHOLE[: len(WHOLE) // 2], "ImageCorrupt"),
    "zero bytes": (b"", "ImageEmpty"),
    "1 x 1": (encode_png(np.zeros((1, 1, 3), np.uint8)), "ImageTooSmall"),
    "30,000 x 30,000": (huge_png(), "ImageTooLarge"),
}


@pytest.mark.parametrize("kind", BAD)
def test_a_bad_image_is_refused_by_name_or_skipped_by_option(kind, nominal, tiny, good, out):
    content, error = BAD[kind]
    (good / "007.png").write_bytes(content)
    line = refusal(nominal("build", good, "--out", out, *tiny, *QUICK), out)
    assert line.startswith(f"{error}: ")
    assert "007.png" in line
    skipping = nominal("build", good, "--out", out, *tiny, *QUICK, "--skip-bad", "--json")
    assert [s["image"] for s in skipping.json["skipped"]] == ["007.png"]
    assert "Skipped 007.png: " in skipping.err
    assert skipping.json["nominal_images"] == 11


def test_a_line_scan_of_67_megapixels_is_read_and_a_limit_names_its_option(
    nominal, tiny, good, out, shared, monkeypatch
):
    shutil.copy(shared / "data" / "faults" / "line_scan_67MP.png", good)
    line = refusal(nominal("build", good, "--out", out, *tiny, *QUICK, "--max-pixels", 64_000_000), out)
    assert line.startswith("ImageTooLarge: An image must have at most 64,000,000 pixels")
    assert "raise --max-pixels" in line
    with monkeypatch.context() as service:
        service.setenv("NOMINAL_MAX_PIXELS", "64000000")
        assert refusal(nominal("build", good, "--out", out, *tiny, *QUICK), out) == line
    assert nominal("build", good, "--out", out, *tiny, *QUICK).status == 0
    assert "line_scan_67MP.png" in load_bank(out).provenance.images


@pytest.mark.parametrize("name", ["new\nline.png", "back\\slash.png"])
def test_a_name_that_no_bank_may_carry_is_refused_on_one_line_or_skipped(name, nominal, tiny, good, out):
    (good / name).write_bytes(WHOLE)
    assert "ImageUnreadable: An image name must" in refusal(
        nominal("build", good, "--out", out, *tiny, *QUICK), out
    )
    skipping = nominal("build", good, "--out", out, *tiny, *QUICK, "--skip-bad", "--json")
    assert [s["image"] for s in skipping.json["skipped"]] == [name]


def empty(folder: Path) -> None:
    for path in folder.iterdir():
        path.unlink()


def keep_one(folder: Path) -> None:
    for path in sorted(folder.iterdir())[1:]:
        path.unlink()


FOLDERS = {
    "absent": (lambda folder: folder.rename(folder.with_name("elsewhere")), "FolderError", "not there"),
    "without an image": (empty, "FolderError", "at least one image"),
    "with one image": (keep_one, "TooFewImages", "at least two nominal images; received 1"),
}


@pytest.mark.parametrize("kind", FOLDERS)
def test_a_folder_that_gives_no_bank_is_refused_before_any_work(kind, nominal, good, out):
    change, error, reason = FOLDERS[kind]
    change(good)
    line = refusal(nominal("build", good, "--out", out, "--backbone", "nonesuch", *QUICK), out)
    assert line.startswith(f"{error}: ")
    assert reason in line


def test_an_unsupported_rate_is_refused_with_the_numbers_before_any_work(nominal, good, out):
    for options in ((), ("--target-review", 0.5)):
        line = refusal(nominal("build", good, "--out", out, "--backbone", "nonesuch", *options), out)
        assert "a false-reject rate of 1 % needs 99 nominal images; received 12" in line.replace(
            "A false", "a false"
        )


# Refused options


OPTIONS = {
    "an unknown backbone": (("--backbone", "vgg16"), "UnknownBackbone", "resnet50"),
    "an unknown runtime": (("--runtime", "tpu"), "RuntimeUnavailable", "torch"),
    "an unknown precision": (("--precision", "int4"), "RuntimeUnavailable", "float32"),
    "an unknown fit": (("--fit", "squash"), "ConfigError", "letterbox"),
    "an unknown index": (("--index", "lsh"), "ConfigError", "flat"),
    "a size that is no multiple of 32": (("--size", 100), "ConfigError", "96"),
    "a crop larger than the size": (("--crop", 128), "ConfigError", "smaller crop"),
    "a ratio of zero": (("--coreset-ratio", 0), "ConfigError", "coreset_ratio must be in"),
    "no vector at all": (("--max-bank-vectors", 0), "ConfigError", "max_bank_vectors must be"),
    "a negative seed": (("--seed", -1), "ConfigError", "from 0 to"),
    "a rate of one": (("--target-false-reject", 1), "ConfigError", "target_false_reject must be"),
    "a review rate below the reject rate": (
        ("--target-review", 0.01),
        "ConfigError",
        "target_review must be",
    ),
    "an even patch size": (("--patch-size", 4), "ConfigError", "odd"),
    "an unknown augmentation": (("--augment", "turns"), "ConfigError", "quarter-turns"),
    "a rotation past a half turn": (("--augment", "rotation=181"), "ConfigError", "from 0 to 180"),
    "copies of nothing random": (("--augment", "copies=4"), "ConfigError", "such as rotation=15"),
    "an unknown score": (("--score", "peak"), "ConfigError", "patch, map"),
    "a map's score re-weighted": (
        ("--score", "map", "--reweight"),
        "ConfigError",
        "Leave one of the two out",
    ),
    "a stride of zero": (("--stride", 0), "ConfigError", "from 1 to 8"),
}


@pytest.mark.parametrize("kind", OPTIONS)
def test_an_option_out_of_range_is_refused_with_the_choices(kind, nominal, tiny, good, out):
    options, error, remedy = OPTIONS[kind]
    line = refusal(nominal("build", good, "--out", out, *tiny, *QUICK, *options), out)
    assert line.startswith(f"{error}: ")
    assert remedy in line


@pytest.mark.parametrize(
    "words", [("build",), ("build", "x"), ("build", "x", "--out"), ("build", "x", "--oops")]
)
def test_what_is_no_such_command_is_a_usage_error(words, nominal):
    ended = nominal(*words)
    assert (ended.status, ended.out) == (2, "")
    assert "Traceback" not in ended.err


def test_a_build_that_cannot_fit_is_refused_with_the_numbers_before_it_starts(nominal, tiny, good, out):
    options = ("--size", 512, "--coreset-ratio", 1, "--target-false-reject", 0.1, "--memory-mb", 64)
    ended = nominal("build", good, "--out", out, *tiny, *options)
    line = refusal(ended, out)
    assert re.match(
        r"MemoryBudgetError: A bank of 49,152 vectors needs at least \d+ MB .* a budget of 67 MB", line
    )
    assert "Reading features" not in ended.err


def test_an_index_that_the_bank_is_too_small_for_is_refused_before_features_are_read(
    nominal, tiny, good, out
):
    line = refusal(ended := nominal("build", good, "--out", out, *tiny, *QUICK, "--index", "ivfpq"), out)
    assert line.startswith("SearchError: An IVF-PQ index of 3 lists needs at least 256 vectors; received 8")
    assert "Reading features" not in ended.err


@pytest.mark.parametrize("place", ["", "nowhere/part.bank", "file/part.bank"])
def test_a_place_that_cannot_be_written_is_refused_before_any_work(place, nominal, good, tmp_path):
    (tmp_path / "file").write_bytes(b"kept")
    ended = nominal("build", good, "--out", tmp_path / place, "--backbone", "nonesuch", *QUICK)
    assert (ended.status, ended.out) == (1, "")
    assert ended.err.startswith("BankError: A bank must be written to a file in a folder that exists")
    assert MESSAGE.match(ended.err.strip())
    assert sorted(p.name for p in tmp_path.iterdir()) == ["file", "good"]


def test_a_folder_that_may_not_be_written_is_refused(nominal, good):
    ended = nominal("build", good, "--out", "/proc/part.bank", "--backbone", "nonesuch", *QUICK)
    assert ended.status == 1
    assert ended.err.startswith("BankError: ")


def test_a_refused_build_leaves_the_bank_that_was_there(nominal, tiny, good, out):
    nominal("build", good, "--out", out, *tiny, *QUICK)
    before = out.read_bytes()
    (good / "003.png").write_bytes(b"")
    assert nominal("build", good, "--out", out, *tiny, *QUICK).status == 1
    assert out.read_bytes() == before
    assert list(out.parent.iterdir()) == [out]


# Refused weights


def weights_file(tmp_path: Path, kind: str) -> Path:
    file = tmp_path / f"{kind}.safetensors"
    tensors = tiny_weights().tensors
    if kind == "nan":
        tensors["fine.0.weight"] = torch.full_like(tensors["fine.0.weight"], torch.nan)
    elif kind == "other":
        tensors = tiny_weights(channels=(8, 8)).tensors
    elif kind == "lacking":
        del tensors["deep.0.bias"]
    save_file(tensors, file)
    if kind == "truncated":
        file.write_bytes(file.read_bytes()[:-64])
    elif kind == "text":
        file.write_text("weights, honestly")
    elif kind == "absent":
        file.unlink()
    return file


WEIGHTS = {
    "nan": ("WeightsCorrupt", "NaN or infinite"),
    "other": ("WeightsWrongArchitecture", "not float32"),
    "lacking": ("WeightsWrongArchitecture", "deep.0.bias is absent"),
    "truncated": ("WeightsCorrupt", "whole safetensors"),
    "text": ("WeightsCorrupt", "whole safetensors"),
    "absent": ("WeightsNotFound", "No such file"),
}


@pytest.mark.parametrize("kind", WEIGHTS)
def test_weights_that_do_not_hold_are_refused(kind, nominal, tiny, good, out, tmp_path):
    error, reason = WEIGHTS[kind]
    file = weights_file(tmp_path, kind)
    words = ("--backbone", "tiny", "--weights", file, *QUICK)
    line = refusal(nominal("build", good, "--out", out, *words), out)
    assert line.startswith(f"{error}: ")
    assert reason in line


def test_weights_of_another_digest_than_the_published_are_refused(nominal, good, out, tmp_path):
    file = tmp_path / "changed.safetensors"
    export("efficientnet-lite2", file)
    tensors = load_file(file)
    tensors["conv_stem.weight"] += 1e-3
    save_file(tensors, file)
    words = ("--backbone", "efficientnet-lite2", "--weights", file, *QUICK)
    line = refusal(nominal("build", good, "--out", out, *words), out)
    assert line.startswith("WeightsWrongDigest: ")
    assert str(SPECS["efficientnet-lite2"].digest) in line


def test_weights_not_at_hand_are_named_with_the_remedy(nominal, good, out):
    line = refusal(nominal("build", good, "--out", out, "--backbone", "resnet18", "--offline", *QUICK), out)
    assert line.startswith("WeightsNotFound: ")
    assert "nominal weights import resnet18" in line


def test_auto_says_once_that_it_took_the_embedded_backbone(nominal, good, out):
    ended = nominal("build", good, "--out", out, "--offline", *QUICK, "--json")
    assert ended.err.count("Using the embedded backbone efficientnet-lite2 in place of resnet50") == 1
    assert ended.json["backbone"] == "efficientnet-lite2"


@pytest.mark.skipif(sys.platform != "linux", reason="other systems keep names as Unicode")
def test_a_file_name_in_latin_1_is_read_as_such(nominal, tiny, good, out):
    os.rename(good / "007.png", os.fsencode(good) + b"/caf\xe9.png")
    built = nominal("build", good, "--out", out, *tiny, *QUICK, "--json")
    assert built.json["nominal_images"] == 12
    assert "café.png" in load_bank(out).provenance.images


# Interruption


def heed_ctrl_c() -> None:
    """As a terminal's programs do; what a shell starts in the background inherits that it is ignored."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def test_ctrl_c_ends_a_build_with_130_and_leaves_nothing(good, out):
    for i, image in enumerate(parts(200, seed=1)):
        (good / f"more-{i}.png").write_bytes(encode_png(image))
    words = [sys.executable, "-m", "app.cli", "build", str(good), "--out", str(out)]
    words += ["--backbone", "efficientnet-lite2", "--size", "320", "--target-false-reject", "0.1"]
    with subprocess.Popen(
        words,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        preexec_fn=heed_ctrl_c,
    ) as process:
        assert process.stderr is not None
        assert "212 images have" in process.stderr.readline()  # it has begun, and has far to go
        process.send_signal(signal.SIGINT)
        printed, errors = process.communicate(timeout=120)
    assert process.returncode == 130
    assert printed == ""
    assert "Traceback" not in errors
    assert list(out.parent.iterdir()) == []


SHOTS = Path(__file__).parents[4] / "shared/data/faults/repeated_shots"


@pytest.mark.skipif(not SHOTS.is_dir(), reason="needs ../shared/data/faults/repeated_shots")
def test_twelve_parts_shot_ten_times_are_said_and_one_in_a_hundred_is_refused(nominal, out):
    build = ("build", SHOTS, "--out", out, "--offline", "--size", 128)
    line = refusal(nominal(*build), out)
    assert "needs photographs of 99 nominal parts; received 120 photographs of 12 parts" in line
    ended = nominal(*build, "--target-false-reject", 0.1)
    assert (
        "120 photographs of about 12 parts; they support a false-reject rate of 7.7 % at best." in ended.out
    )
    shown = nominal("show", out, "--json").json
    assert (shown["nominal_parts"], shown["grouped_by"]) == (12, "auto")


@pytest.fixture
def bursts(good) -> Path:
    """Twelve parts, each twice, named ``000_0.png`` and ``000_1.png``."""
    for image in list(good.iterdir()):
        shutil.copy(image, good / f"{image.stem}_1.png")
        image.rename(good / f"{image.stem}_0.png")
    return good


def test_groups_by_name_by_file_and_by_likeness_are_those_of_the_bank(nominal, tiny, bursts, out, tmp_path):
    table = tmp_path / "parts.csv"
    table.write_text("image,part\n" + "".join(f"{p.name},{p.name[:3]}\n" for p in bursts.iterdir()))
    for groups, source in [(r"^(\d+)_", "regex"), (table, "file"), ("auto", "auto")]:
        ended = nominal("build", bursts, "--out", out, *tiny, *QUICK, "--groups", groups)
        assert ended.status == 0, ended.err
        bank = load_bank(out)
        assert (bank.grouped_by, bank.groups.tolist()) == (source, [i // 2 for i in range(24)])
        first = out.read_bytes()
        nominal("build", bursts, "--out", out, *tiny, *QUICK, "--groups", groups)
        assert out.read_bytes() == first
    assert "24 photographs of about 12 parts" in nominal("show", out).err + nominal("show", out).out
    nominal("build", bursts, "--out", out, *tiny, *QUICK, "--groups", "none")
    assert load_bank(out).groups is None


@pytest.mark.parametrize(
    ("groups", "error", "message"),
    [
        ("(x+)", "GroupsPatternError", "24 of 24 names without one"),
        ("(", "GroupsPatternError", "not one"),
        ("png", "OneGroup", "24 photographs of one part"),
        (r"^([01])", "OneGroup", "24 photographs of one part"),
        (
            r"_([01])",
            "TooFewNominalImages",
            "needs photographs of 9 nominal parts; received 24 photographs of 2",
        ),
        ("000_0.png,a\nelsewhere.png,b", "GroupsFileError", "1 that are not, such as elsewhere.png"),
        ("000_0.png,a\n001_0.png,b", "GroupsFileError", "none for 22, such as"),
    ],
)
def test_groups_that_cannot_be_held_out_are_refused_before_any_work(
    groups, error, message, nominal, tiny, bursts, out, tmp_path
):
    if "," in groups:
        (tmp_path / "parts.csv").write_text(groups)
        groups = tmp_path / "parts.csv"
    line = refusal(nominal("build", bursts, "--out", out, *tiny, *QUICK, "--groups", groups), out)
    assert line.startswith(error), line
    assert message in line


def test_copies_of_one_photograph_are_refused(nominal, tiny, good, out):
    first = good / "000.png"
    for other in sorted(good.iterdir())[1:]:
        shutil.copy(first, other)
    ended = nominal("build", good, "--out", out, *tiny, *QUICK)
    assert "AllDuplicates: " in ended.err
    assert "12 copies of one photograph" in ended.err
