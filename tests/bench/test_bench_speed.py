"""The benches of speed run once at toy size; what they conclude from what they measured is right."""

from __future__ import annotations

import os
import re
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from bench import build, latency, tables
from bench.peers import __main__ as peers
from bench.peers import contenders, report, targets, trial
from bench.peers.process import Process
from bench.stages import Stages


def run(main, monkeypatch, *words: object) -> None:
    monkeypatch.setattr(sys, "argv", [main.__module__, *map(str, words)])
    main()


def table_rows(printed: str) -> list[list[str]]:
    lines = [line for line in printed.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in (lines[0], *lines[2:])]


def test_the_peers_bench_compares_nominal_with_the_textbook_and_leaves_the_page_alone(monkeypatch, capsys):
    before = tables.PERFORMANCE.read_bytes()
    run(peers.main, monkeypatch, "--toy")
    head, *rows = table_rows(capsys.readouterr().out)
    assert tuple(head) == report.HEAD
    assert [row[0] for row in rows] == ["textbook, FAISS flat, 10", "Nominal efficientnet-lite2, 10"]
    assert [row[1] for row in rows] == ["6", "7"], "1 % of 640 patches, cut and rounded up"
    assert all(float(cell) > 0 for row in rows for cell in row[2:-1])
    assert all(re.fullmatch(r"0\.\d{3}", row[-1]) for row in rows), "of one build"
    assert tables.PERFORMANCE.read_bytes() == before


def test_the_latency_bench_times_every_stage_in_process_and_over_http(monkeypatch, capsys):
    before = tables.PERFORMANCE.read_bytes()
    run(latency.main, monkeypatch, "--toy")
    _, *rows = table_rows(capsys.readouterr().out)
    cells = {row[0]: row[1:] for row in rows}
    kept = latency.KEPT, latency.WHOLE_KEPT
    assert [*cells] == [*latency.STAGES, latency.KEPT, latency.WHOLE, latency.WHOLE_KEPT, latency.PICTURE]
    for stage, (inside, outside) in cells.items():
        assert (inside == "-") == (stage in ("framework", *kept))
        assert outside != "-" or stage in ("score", "descriptor", "encode", "framework", latency.WHOLE, *kept)
    assert tables.PERFORMANCE.read_bytes() == before


def test_the_build_bench_prints_stages_and_growth(monkeypatch, capsys):
    before = tables.PERFORMANCE.read_bytes()
    run(build.main, monkeypatch, "--toy")
    head, *rows = table_rows(capsys.readouterr().out)
    assert [row[:2] for row in rows] == [["8", "6"], ["16", "11"]], "1 % of 64 patches an image, rounded up"
    assert rows[0][-1] == "-"
    assert len(rows[1][-1].split(" / ")) == 2
    assert all(len(row) == len(head) for row in rows)
    assert tables.PERFORMANCE.read_bytes() == before


def test_images_of_a_build_are_many_different_ones_and_the_same_each_time(tmp_path):
    count = len(build.elpv_split().train) + 3
    for name in "ab":
        (tmp_path / name).mkdir()
        build.write_images(tmp_path / name, count)
    files = sorted((tmp_path / "a").iterdir())
    assert len({file.read_bytes() for file in files}) == len(files) == count
    assert all((tmp_path / "b" / file.name).read_bytes() == file.read_bytes() for file in files)
    with Image.open(files[-1]) as image:
        assert image.size == (300, 300)


def test_growth_is_the_exponent_between_two_runs():
    runs = [{"images": n, "all": 3.0 * n**2} for n in (10, 40)]
    assert build.exponent(*runs, "all") == pytest.approx(2)


def test_a_stage_lasts_from_the_report_before_it_to_its_own_last():
    stages = Stages()
    for stage, done in (("features", 1), ("features", 2), ("coreset", 1)):
        stages.advance(stage, done, 2)
    assert [*stages.seconds] == ["features", "coreset"]
    assert all(seconds >= 0 for seconds in stages.seconds.values())


def test_images_are_spread_over_the_set(tmp_path):
    for folder, count in (("train/good", 10), ("test/good", 3), ("test/scratch", 5)):
        (tmp_path / folder).mkdir(parents=True)
        for i in range(count):
            Image.fromarray(np.full((16, 16), i, np.uint8)).save(tmp_path / folder / f"{i}.png")
    found = trial.read_images(tmp_path, 4, None, 2)
    assert [path.stem for path in found.train] == ["0", "3", "6", "9"]
    assert found.defective == [False] * 3 + [True] * 5
    assert found.timed == [found.test[0], found.test[-1]]


def test_the_auroc_of_a_contender_is_the_median_of_its_seeds_said_with_its_range():
    found = trial.Result(200, aurocs=[0.9, 0.95, 0.91])
    assert found.auroc == 0.91
    assert found.auroc_said == "0.910 (0.900 to 0.950)"
    assert trial.Result(200, aurocs=[0.9]).auroc_said == "0.900"


def test_a_contender_that_dies_is_named_with_what_it_said(tmp_path):
    command = [sys.executable, "-c", "import sys; sys.exit('no such peer')"]
    with Process(command, 1, tmp_path / "log") as process, pytest.raises(SystemExit, match="no such peer"):
        process.ask("build", [])


def test_only_what_this_processor_computes_is_compared():
    precisions = contenders.precisions()
    assert precisions[0] == "float32"
    weights = Path("weights.safetensors")
    assert [c.name for c in contenders.of_two_sizes(weights)] == [
        f"{targets.FLOAT32}, 1%",
        f"{targets.FLOAT32}, 5%",
    ]
    command = contenders.embedded().command(64)
    assert "--weights" not in command
    assert os.fspath(weights) in contenders.nominal("float32", weights).command(64)


def result(images: int = 200, **values: float) -> trial.Result:
    """A contender that took 100 of everything, but for what is said."""
    made = dict.fromkeys(("build", "coreset", "p50", "rate", "peak_mb", "auroc"), 100.0) | values
    builds = [{key: made[key] for key in ("build", "coreset", "peak_mb")} | {"vectors": 2048}]
    return trial.Result(images, builds, [made["p50"]], [made["p50"]], [made["rate"]], [made["auroc"]])


def test_targets_are_judged_by_the_fastest_that_is_as_accurate():
    results = {
        contenders.ANOMALIB: result(auroc=0.9),
        targets.FLOAT32: result(p50=20, build=10, coreset=1, peak_mb=40, auroc=0.9),
        f"{targets.REFERENCE} bfloat16": result(p50=10, auroc=0.899),
        contenders.EMBEDDED: result(rate=199, auroc=0.95),
    }
    auroc, latency, build, coreset, memory, rate = targets.verdicts(results)
    assert (auroc.reached, latency.reached, build.reached, coreset.reached, memory.reached, rate.reached) == (
        True, False, True, True, True, False,
    )  # fmt: skip
    assert "5.0 times" in latency.line()
    assert latency.line().startswith("- NOT reached")
    assert build.line().startswith("- reached")
    results[f"{targets.REFERENCE} bfloat16"] = result(p50=10, auroc=0.9)
    _, latency, *_ = targets.verdicts(results)
    assert latency.reached


def test_image_auroc_is_the_peers_where_seeds_alone_move_both_farther():
    peer = replace(result(), aurocs=[0.895, 0.907, 0.908])
    for aurocs, as_good in (
        ([0.898, 0.906, 0.91], True),
        ([0.897, 0.898, 0.908], True),  # 0.009 below, and seeds move both by 0.011 and more
        ([0.89, 0.895, 0.896], False),  # 0.012 below; its own seeds move it by 0.006
        ([0.9, 0.9, 0.9], False),
        ([0.907, 0.907, 0.907], True),
    ):
        assert targets.as_good(replace(result(), aurocs=aurocs), peer) == as_good


def test_no_contender_as_accurate_is_said_first():
    results = {contenders.ANOMALIB: result(auroc=0.9), targets.FLOAT32: result(p50=1, auroc=0.8)}
    first, *_ = targets.verdicts(results)
    assert not first.reached
    assert "image AUROC" in first.line()


@pytest.mark.parametrize(
    ("auroc", "p50", "reached"), [(0.976, 200, True), (0.975, 200, False), (0.98, 201, False)]
)
def test_quality_at_speed_needs_both(auroc, p50, reached):
    small = result(762, auroc=0.968)
    results = {
        f"{targets.FLOAT32}, 1%": small,
        f"{targets.FLOAT32}, 5%": replace(small, p50s=[p50], aurocs=[auroc]),
    }
    assert [verdict.reached for verdict in targets.verdicts(results)] == [reached]


def test_ratios_say_how_many_times_better_than_anomalib_on_the_same_images():
    peer = result(auroc=0.9)
    results = {
        contenders.ANOMALIB: peer,
        "Nominal": result(p50=20, rate=400, auroc=0.91),
        "more images": result(762),
    }
    anomalib, nominal, more = report.rows(results)
    assert anomalib[4:7] == ["100.0", "100.0", "100.0"]
    assert nominal[4:7] == ["20.0 (5.0x)", "20.0 (5.0x)", "400.0 (4.0x)"]
    assert more[4:7] == ["100.0", "100.0", "100.0"]
