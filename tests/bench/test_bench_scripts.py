"""The bench scripts run once at toy size; the demo's page is whole; the pages' tables are replaced in place."""

from __future__ import annotations

import re
import sys
from dataclasses import replace

import pytest
import torch

from app.inspection.engine import Engine
from bench import (
    accuracy,
    alignment,
    coreset,
    demo,
    explain,
    few,
    fuzz,
    gpu,
    groups,
    memory,
    placement,
    reduced,
    screening,
    tables,
)
from bench.datasets import write_elpv, write_elpv_degrees
from core.bank import load_bank
from core.patterns import network
from models.backbone import load_backbone


def run(main, monkeypatch, *words: object) -> None:
    monkeypatch.setattr(sys, "argv", [main.__module__, *map(str, words)])
    main()


@pytest.fixture(autouse=True)
def wide(monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")


def test_the_demo_inspects_real_cells_and_writes_a_page_that_needs_nothing_else(
    tmp_path, monkeypatch, capsys
):
    run(demo.main, monkeypatch, "--toy", "--out", tmp_path / "demo")
    printed = capsys.readouterr().out
    assert sorted(p.name for p in (tmp_path / "demo").iterdir()) == ["report.html", "solar-cells.bank"]
    bank = load_bank(tmp_path / "demo" / "solar-cells.bank")
    assert len(bank.calibration_scores) == 30
    page = (tmp_path / "demo" / "report.html").read_text(encoding="utf-8")
    assert not re.search(r'(src|href)="(?!data:)', page)
    assert not re.search(r"https?:", page)
    assert page.count('<article class="card">') == 8
    assert page.count("data:image/png;base64,") == 16
    threshold = Engine(load_backbone("efficientnet-lite2"), bank).thresholds.reject
    assert page.count(f"against {threshold:.3f}") == 8
    assert f"threshold {threshold:.3f}" in page
    assert page.count("<i class=") == 2, "one legend for each of the two histograms"
    for word in (
        "image AUROC", "good cells rejected", "defective cells rejected", "in truth", "Page: ", "Missed: ",
    ):  # fmt: skip
        assert word in printed
    assert printed.count("nominal  ") + printed.count("defective  ") >= 8


def test_the_alignment_bench_draws_painted_squares_where_they_are(monkeypatch, capsys):
    run(alignment.main, monkeypatch, "--toy")
    rows = [line for line in capsys.readouterr().out.splitlines() if line.startswith("| painted |")]
    overlap = {float(row.split("|")[3]): float(row.split("|")[5]) for row in rows}
    assert set(overlap) == {-8.0, 0.0, 8.0}
    assert overlap[0.0] == max(overlap.values())


def test_the_gpu_bench_says_what_it_ran_on_and_both_sides_agree(monkeypatch, capsys):
    with pytest.raises(SystemExit) as done:
        run(gpu.main, monkeypatch, "--toy")
    printed = capsys.readouterr().out
    assert done.value.code == 0
    assert len([line for line in printed.splitlines() if line.startswith("| ")]) == 4
    assert torch.cuda.is_available() or "There is no CUDA device here." in printed


def test_the_bench_of_screening_counts_the_defects_listed(monkeypatch, capsys):
    before = screening.ACCURACY.read_text(encoding="utf-8")
    run(screening.main, monkeypatch, "--toy", "--only", "elpv")
    (row,) = [
        line for line in capsys.readouterr().out.splitlines() if line.startswith("| elpv-mono: 24, 24 |")
    ]
    _, backbone, mixed, found, *_ = row.strip("| ").split(" | ")
    assert (backbone, mixed) == ("efficientnet-lite2", "2")
    assert found in ("50%", "100%")
    assert screening.ACCURACY.read_text(encoding="utf-8") == before


def test_the_bench_of_groups_joins_bursts_of_real_cells(monkeypatch, capsys):
    run(groups.main, monkeypatch, "--toy")
    (row,) = [line for line in capsys.readouterr().out.splitlines() if line.startswith("| toy bursts")]
    name, backbone, images, parts, found, largest, joined, *_ = row.strip("| ").split(" | ")
    assert (name, backbone, parts) == ("toy bursts", "efficientnet-lite2", "4")
    assert 12 <= int(images) <= 40
    assert 2 <= int(found) <= 6
    assert int(largest) <= 12
    assert float(joined.removesuffix("%")) > 90


def test_the_bench_of_reduced_jpeg_says_what_half_a_scale_changes(monkeypatch, capsys):
    run(reduced.main, monkeypatch, "--toy")
    (row,) = [line for line in capsys.readouterr().out.splitlines() if line.startswith("| 256 x 256")]
    photographs, whole, scale, half, sample, score, *aurocs = row.strip("| ").split(" | ")
    assert (photographs, scale) == ("256 x 256", "1 / 2")
    assert min(float(whole), float(half)) > 0
    assert 1 <= int(sample.removesuffix(" of 255")) <= 8
    assert 0 < float(score.removesuffix("%")) < 10
    assert all(0.5 < float(auroc) <= 1 for auroc in aurocs)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device")
def test_the_gpu_bench_stops_where_there_is_no_device(monkeypatch, capsys):
    with pytest.raises(SystemExit) as done:
        run(gpu.main, monkeypatch)
    assert done.value.code == 1
    assert "There is no CUDA device here." in capsys.readouterr().out


def test_the_accuracy_bench_prints_rows_whole_and_reduced_and_leaves_its_page_alone(monkeypatch, capsys):
    before = tables.ACCURACY.read_bytes()
    run(accuracy.main, monkeypatch, "--toy")
    rows = [line for line in capsys.readouterr().out.splitlines() if line.startswith("| elpv-toy: 7, 7")]
    place = accuracy.HEAD.index("setting")
    assert [row.split(" | ")[place] for row in rows] == ["default", "PCA 16, score map, flips"]
    assert all(row.count("|") == len(accuracy.HEAD) + 1 for row in rows)
    assert tables.ACCURACY.read_bytes() == before


def test_the_accuracy_bench_plans_three_splits_of_every_set_at_hand(tmp_path, monkeypatch):
    monkeypatch.setattr(accuracy, "SHARED", tmp_path / "absent")
    elpv = accuracy._few(write_elpv(tmp_path / "elpv"), tmp_path / "elpv-mono")
    runs = list(accuracy.planned(elpv, tmp_path))
    assert {str(r) for r in runs} >= {"default", "int8", "score map"}
    assert all(len(set(r.splits)) == 3 and "--offline" in words for r in runs for words in r.commands())
    assert all(
        words[-1] == f"{split}/parts.csv"
        for r in runs
        for split, words in zip(r.splits, r.commands(), strict=True)
    )


def test_the_bench_of_few_photographs_prints_every_setting_and_leaves_its_page_alone(monkeypatch, capsys):
    before = tables.ACCURACY.read_bytes()
    settings = (few.Setting(), few.Setting("flips", 50))
    monkeypatch.setattr(few, "SETTINGS", settings)
    run(few.main, monkeypatch, "--toy", "--only", "elpv")
    rows = [line.split(" | ") for line in capsys.readouterr().out.splitlines() if line.startswith("| elpv")]
    assert [row[1:4] for row in rows] == [
        ["default", "1", "1,000"],
        ["`--augment flips --min-bank-vectors 50`", "2", "103"],
    ]
    assert tables.ACCURACY.read_bytes() == before


def test_the_coreset_bench_finds_the_same_picks(monkeypatch, capsys):
    with pytest.raises(SystemExit) as ended:
        run(coreset.main, monkeypatch, "--toy")
    assert ended.value.code == 0
    assert "| clustered |" in capsys.readouterr().out


def test_a_table_replaces_what_its_markers_hold_and_nothing_else(tmp_path):
    page = tmp_path / "page.md"
    page.write_text("above\n<!-- speed:start -->\nold\n<!-- speed:end -->\nbelow\n")
    for _ in range(2):
        tables.replace_section("speed", tables.table(["a", "b"], [["1", r"\1"]]), page)
    assert page.read_text() == (
        "above\n<!-- speed:start -->\n| a | b |\n| --- | --- |\n| 1 | \\1 |\n<!-- speed:end -->\nbelow\n"
    )
    with pytest.raises(SystemExit, match="must hold the markers"):
        tables.replace_section("size", "x", page)


def test_the_machine_is_named_in_one_line():
    assert re.fullmatch(r".+, \d+ cores, \d+ GB, .+", tables.machine())


@pytest.mark.parametrize(
    ("page", "name"),
    [
        (tables.ACCURACY, "accuracy"),
        (tables.ACCURACY, "few"),
        (tables.PERFORMANCE, "peers"),
        (tables.PERFORMANCE, "latency"),
        (tables.PERFORMANCE, "inference"),
        (tables.PERFORMANCE, "build"),
        (tables.PERFORMANCE, "start"),
    ],
)
def test_pages_have_the_markers_that_benches_write_between(page, name):
    text = page.read_text(encoding="utf-8")
    assert text.index(f"<!-- {name}:start -->") < text.index(f"<!-- {name}:end -->")


def test_the_bench_of_placement_prints_every_way_and_leaves_its_page_alone(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(placement, "WORK", tmp_path)
    monkeypatch.setattr(placement, "sets", lambda: [write_elpv(tmp_path / "elpv-mono")])
    ways = [replace(way, remedies=dict([*way.remedies.items()][-1:])) for way in placement.WAYS]
    monkeypatch.setattr(placement, "WAYS", ways)
    before = tables.ACCURACY.read_text()
    run(placement.main, monkeypatch, "--toy")
    rows = [line for line in capsys.readouterr().out.splitlines() if line.startswith("| elpv-mono |")]
    assert [row.split(" | ")[1] for row in rows] == [way.name for way in ways]
    assert tables.ACCURACY.read_text() == before


def test_the_bench_of_memory_writes_three_tables_and_leaves_its_page_alone(monkeypatch, tmp_path, capsys):
    """On solar cells, which are at hand everywhere; they have labels and no masks."""
    monkeypatch.setattr(network, "STEPS", 20)
    elpv = write_elpv_degrees(tmp_path / "elpv-mono")
    for bench in (memory, explain):
        monkeypatch.setattr(bench, "sets", lambda: [elpv])
    before = tables.ACCURACY.read_text(encoding="utf-8")
    run(memory.main, monkeypatch, "--toy")
    rows = [
        line.strip("| ").split(" | ")
        for line in capsys.readouterr().out.splitlines()
        if line.startswith("| elpv-mono")
    ]
    assert [row[1] for row in rows if row[1] in memory.KINDS] == list(memory.KINDS)
    assert [row[1] for row in rows if row[1].startswith(("patterns", "clusters"))] == [
        "patterns, residual",
        "patterns, whole",
        "clusters",
    ]
    explained = {(row[1], row[2]): [*map(float, row[6:8])] for row in rows if row[3] == "no masks"}
    assert [method for method, k in explained if k == "s*"] == list(explain.METHODS)
    deletion, insertion = explained["patch-map", "s*"]
    assert all(each[0] >= deletion and each[1] <= insertion for each in explained.values())
    assert tables.ACCURACY.read_text(encoding="utf-8") == before


def test_damaged_files_are_read_or_refused_by_name(monkeypatch, capfd):
    with pytest.raises(SystemExit) as done:
        run(fuzz.main, monkeypatch, "--toy")
    printed = capfd.readouterr().out
    assert done.value.code == 0, printed
    assert "300 damaged files, 0 faults" in printed
    for outcome in ("banks read", "banks refused", "pictures read", "pictures refused"):
        assert outcome in printed
