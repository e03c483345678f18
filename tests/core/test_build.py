"""Builds: the same bank every time, honest provenance, bounded memory, cancellation, odd image sets."""

from __future__ import annotations

import hashlib
import threading
import time
from dataclasses import replace

import numpy as np
import oracle
import pytest
from fakes import random_backbone
from parts import SMALL, build, parts, scratched, sha256_elsewhere

import core.build
import core.features.stream
from app.inspection.backbones import backbone_ref
from core.bank import bank_bytes
from core.build import Build, BuildLimits
from core.config import DetectorConfig, IndexConfig, InputConfig, PatchConfig
from core.detector import check_conformance, map_threshold_of, thresholds_of
from core.errors import Cancelled, MemoryBudgetError, ShapeError, TooFewImages
from core.memory.estimate import estimate_build
from core.memory.merge_reduce import bytes_for, fewest_points
from core.search import Index

DIMENSION, PATCHES = 32, 64  # of the tiny backbone at 64 pixels


@pytest.fixture(scope="module")
def backbone():
    return random_backbone()


# The same bank


def test_the_same_images_config_and_seed_give_the_same_bytes(backbone):
    assert bank_bytes(build(parts(6), SMALL, backbone)) == bank_bytes(
        build(parts(6), SMALL, random_backbone())
    )


def test_another_process_with_other_threads_gives_the_same_bytes(backbone):
    assert (
        sha256_elsewhere("build(parts(6))")
        == hashlib.sha256(bank_bytes(build(parts(6), SMALL, backbone))).hexdigest()
    )


def test_another_seed_or_another_order_gives_another_bank(backbone):
    bank = build(parts(6), SMALL, backbone)
    other = build(parts(6), replace(SMALL, seed=1), backbone)
    turned = build(parts(6)[::-1], SMALL, backbone)
    assert not np.array_equal(bank.vectors, other.vectors)
    assert bank_bytes(bank) != bank_bytes(turned)


@pytest.mark.parametrize("batch", [1, 3])
def test_images_one_at_a_time_give_the_bank_of_batches(batch, backbone, monkeypatch):
    expected = bank_bytes(build(parts(10), SMALL, backbone))
    monkeypatch.setattr(core.features.stream, "BATCH", batch)
    assert bank_bytes(build(parts(10), SMALL, backbone)) == expected


def test_groups_change_only_what_is_calibrated(backbone):
    alone, grouped = (
        build(parts(6), SMALL, backbone),
        build(parts(6), SMALL, backbone, groups=[5, 5, 3, 3, 1, 1]),
    )
    assert np.array_equal(alone.vectors, grouped.vectors)
    assert alone.groups is None
    assert grouped.groups.tolist() == [0, 0, 1, 1, 2, 2]
    assert not np.array_equal(alone.calibration_scores, grouped.calibration_scores)
    assert bank_bytes(grouped) == bank_bytes(build(parts(6), SMALL, backbone, groups=[0, 0, 1, 1, 2, 2]))


def test_groups_of_one_calibrate_as_no_groups_do(backbone):
    alone, grouped = build(parts(6), SMALL, backbone), build(parts(6), SMALL, backbone, groups=range(6))
    assert np.array_equal(alone.calibration_scores, grouped.calibration_scores)
    assert thresholds_of(alone) == thresholds_of(grouped)


def test_groups_may_be_known_only_once_all_images_are_read(backbone):
    read = []

    def labels():
        assert len(read) == 6
        return np.array([0, 0, 1, 1, 2, 2])

    def images():
        for i, image in enumerate(parts(6)):
            read.append(i)
            yield f"{i:03d}.png", image

    bank = Build(backbone, backbone_ref(backbone), SMALL).run(images(), 6, labels)
    assert bank_bytes(bank) == bank_bytes(build(parts(6), SMALL, backbone, groups=[0, 0, 1, 1, 2, 2]))


def test_another_process_with_other_threads_gives_the_same_grouped_bytes(backbone):
    bank = build(parts(9), SMALL, backbone, groups=[0, 1, 2] * 3)
    elsewhere = sha256_elsewhere("build(parts(9), groups=[0, 1, 2] * 3)")
    assert elsewhere == hashlib.sha256(bank_bytes(bank)).hexdigest()


@pytest.mark.parametrize(
    ("groups", "error", "message"),
    [([0] * 4, TooFewImages, "4 photographs of one part"), ([0, 1, 2], ShapeError, "each of 4 images")],
)
def test_groups_that_cannot_be_left_out_are_refused(groups, error, message, backbone):
    with pytest.raises(error, match=message):
        build(parts(4), SMALL, backbone, groups=groups)


def test_of_many_images_a_sample_of_parts_is_scored_and_the_bank_says_which(backbone, monkeypatch):
    whole = build(parts(12), SMALL, backbone, groups=[0, 1, 2, 3, 4, 5] * 2)
    monkeypatch.setattr("core.judging.held_out.CALIBRATION_IMAGES", 5)
    bank = build(parts(12), SMALL, backbone, groups=[0, 1, 2, 3, 4, 5] * 2)
    assert len(bank.calibrated) == len(bank.calibration_scores) == 8  # a rate of 0.2 needs four parts
    assert np.array_equal(bank.calibration_scores, whole.calibration_scores[bank.calibrated])
    assert bank_bytes(bank) != bank_bytes(whole)


# Against the textbook


@pytest.mark.parametrize("ratio", [0.02, 0.1])
def test_the_kept_patches_are_those_of_the_textbook_loop(ratio, backbone):
    images = parts(5)
    bank = build(images, replace(SMALL, coreset_ratio=ratio), backbone)
    points = np.concatenate([oracle.patches(image, SMALL, backbone)[0] for image in images])
    origin = bank.provenance
    kept = origin.image * PATCHES + origin.row * 8 + origin.column
    assert len(kept) == int(np.ceil(ratio * len(points)))
    assert kept.tolist() == oracle.greedy(points, int(kept[0]), len(kept))
    covering = oracle.apart(points, bank.vectors).min(axis=1).max()
    assert bank.coreset.covering_radius == pytest.approx(covering, rel=1e-4)
    assert bank.coreset.exact
    assert bank.coreset.source_patches == len(points)


def test_a_smaller_bank_is_a_prefix_of_a_larger_one(backbone):
    small, large = (build(parts(5), replace(SMALL, coreset_ratio=r), backbone) for r in (0.05, 0.2))
    np.testing.assert_array_equal(small.vectors, large.vectors[: len(small.vectors)])


SHAPES = {
    "stretched": (SMALL, [(64, 64)] * 4),
    "of different sizes": (
        replace(SMALL, input=InputConfig(64, "short_side")),
        [(64, 64), (70, 140), (150, 75)],
    ),
    "letterboxed": (replace(SMALL, input=InputConfig(64, "letterbox")), [(40, 90), (90, 40), (64, 64)]),
    "cropped": (replace(SMALL, input=InputConfig(128, "short_side", 64)), [(64, 64), (70, 140), (150, 75)]),
    "strided": (replace(SMALL, patch=PatchConfig(5, 2), coreset_ratio=0.4), [(64, 64)] * 4),
}


@pytest.mark.parametrize("name", SHAPES)
def test_provenance_points_at_the_patch_that_gives_the_vector(name, backbone):
    config, shapes = SHAPES[name]
    images = [parts(1, shape, seed=i)[0] for i, shape in enumerate(shapes)]
    bank = build(images, config, backbone)
    origin = bank.provenance
    assert origin.images == tuple(f"{i:03d}.png" for i in range(len(images)))
    assert set(origin.image.tolist()) == set(range(len(images)))
    for i, image in enumerate(images):
        vectors, (rows, columns) = oracle.patches(image, config, backbone)
        mine = origin.image == i
        assert origin.row[mine].max() < rows
        assert origin.column[mine].max() < columns
        cells = origin.row[mine] * columns + origin.column[mine]
        np.testing.assert_allclose(bank.vectors[mine], vectors[cells], rtol=1e-4, atol=1e-5)


def test_the_ratio_and_the_upper_bound_both_limit_the_bank(backbone):
    assert len(build(parts(4), replace(SMALL, max_bank_vectors=7), backbone).vectors) == 7
    assert (
        len(build(parts(4), replace(SMALL, coreset_ratio=0.05), backbone).vectors) == 13
    )  # of 256, rounded up


def test_a_whole_bank_keeps_every_patch_once(backbone):
    bank = build(parts(4), replace(SMALL, coreset_ratio=1.0), backbone)
    origin = bank.provenance
    assert (
        len(set(zip(origin.image.tolist(), origin.row.tolist(), origin.column.tolist(), strict=True)))
        == 4 * PATCHES
    )
    assert bank.coreset.covering_radius == 0


# Memory


def needs(images: int, config: DetectorConfig = SMALL) -> core.build.BuildEstimate:
    most = config.max_bank_vectors
    return estimate_build(images, PATCHES, DIMENSION, None, config.coreset_ratio, most, 1 << 40)


def test_vectors_past_the_memory_go_to_a_file_and_give_the_same_bank(backbone, tmp_path):
    said, plan = [], needs(12)
    roomy = build(parts(12), SMALL, backbone)
    limits = BuildLimits(plan.memory_bytes - plan.store_bytes // 2, tmp_path)
    tight = build(parts(12), SMALL, backbone, limits=limits, say=said.append)
    assert bank_bytes(tight) == bank_bytes(roomy)
    assert "of disk" in said[0]
    assert list(tmp_path.iterdir()) == []


def test_points_past_the_memory_go_to_a_file_and_give_the_same_bank(backbone, tmp_path):
    config, images = replace(SMALL, coreset_ratio=0.02), parts(16)
    plan = needs(16, config)
    budget = plan.bank_bytes + bytes_for(6 * PATCHES, plan.vectors, DIMENSION)
    assert budget < plan.memory_bytes - plan.store_bytes
    tight = build(images, config, backbone, limits=BuildLimits(budget, tmp_path))
    assert bank_bytes(tight) == bank_bytes(build(images, config, backbone))
    assert list(tmp_path.iterdir()) == []


def test_patches_that_no_memory_can_follow_are_merged_and_reduced_within_the_recorded_bound(
    backbone, tmp_path
):
    config, images = replace(SMALL, coreset_ratio=0.001, min_bank_vectors=0), parts(16)
    plan = needs(16, config)
    budget = plan.bank_bytes + bytes_for(fewest_points(plan.vectors), plan.vectors, DIMENSION)
    bank = build(images, config, backbone, limits=BuildLimits(budget, tmp_path))
    assert not bank.coreset.exact
    assert len(bank.vectors) == plan.vectors
    points = np.concatenate([oracle.patches(image, config, backbone)[0] for image in images])
    covering = oracle.apart(points, bank.vectors).min(axis=1).max()
    assert bank.coreset.covering_radius <= covering * (1 + 1e-4)
    assert covering <= bank.coreset.radius_bound * (1 + 1e-4)


def test_what_cannot_fit_is_refused_with_the_numbers_before_the_images_are_read(backbone, tmp_path):
    seen = []

    def images():
        for i, image in enumerate(parts(4)):
            seen.append(i)
            yield f"{i}.png", image

    limits = BuildLimits(1 << 20, tmp_path)
    with pytest.raises(
        MemoryBudgetError, match=r"needs at least \d+ MB of memory to build; received a budget of 1 MB"
    ):
        Build(backbone, backbone_ref(backbone), SMALL, limits).run(images(), 100_000)
    assert seen == [0]
    assert list(tmp_path.iterdir()) == []


def test_the_need_for_memory_is_said_before_the_first_step(backbone):
    order = []
    bank = build(
        parts(4), SMALL, backbone, say=order.append, progress=lambda stage, done, total: order.append(stage)
    )
    assert order[0] == f"{needs(4)}."
    assert f"4 images have 256 patches; {len(bank.vectors)} are kept (exact)" in order[0]
    assert order[1] == "features"


# Progress and stopping


def test_stages_come_in_order_and_each_ends_whole(backbone):
    steps = []
    build(parts(10), SMALL, backbone, progress=lambda *step: steps.append(step))
    assert list(dict.fromkeys(stage for stage, _, _ in steps)) == [
        "features",
        "coreset",
        "index",
        "calibration",
    ]
    for stage in ("features", "coreset", "index", "calibration"):
        done = [(d, t) for s, d, t in steps if s == stage]
        assert done == sorted(done)
        assert done[-1][0] == done[-1][1]


@pytest.mark.parametrize("stage", ["features", "coreset", "index", "calibration"])
def test_a_build_stops_soon_after_it_is_asked_to(stage, backbone, tmp_path):
    reached, limits = [], BuildLimits(needs(20).memory_bytes - 1000, tmp_path)
    with pytest.raises(Cancelled, match="a request to stop"):
        build(
            parts(20),
            SMALL,
            backbone,
            limits=limits,
            progress=lambda now, done, total: reached.append(now),
            cancelled=lambda: stage in reached,
        )
    order = ["features", "coreset", "index", "calibration"]
    assert set(reached) <= set(order[: order.index(stage) + 2])
    assert list(tmp_path.iterdir()) == []


def test_a_build_stops_while_it_waits_for_an_image(backbone):
    late, stuck = threading.Event(), []

    def images():
        yield from ((f"{i}.png", image) for i, image in enumerate(parts(3)))
        stuck.append(True)
        late.wait(30)
        yield "late.png", parts(1)[0]

    def asked():
        if stuck:
            late.set()
        return bool(stuck)

    build = Build(backbone, backbone_ref(backbone), SMALL, cancelled=asked)
    started = time.monotonic()
    with pytest.raises(Cancelled, match="in stage features"):
        build.run(images(), 4)
    assert time.monotonic() - started < 10


def test_a_build_leaves_no_thread_behind(backbone):
    build(parts(4), SMALL, backbone)  # starts the threads that parts share for good
    before = threading.active_count()
    build(parts(9), SMALL, backbone)
    with pytest.raises(Cancelled):
        build(parts(9), SMALL, backbone, cancelled=lambda: True)
    assert threading.active_count() == before


def test_a_build_cancelled_at_once_does_nothing(backbone):
    with pytest.raises(Cancelled):
        build(parts(4), SMALL, backbone, cancelled=lambda: True)


# Odd sets of images


@pytest.mark.parametrize("count", [0, 1])
def test_fewer_than_two_images_are_refused(count, backbone):
    with pytest.raises(TooFewImages, match="at least two"):
        build(parts(count), SMALL, backbone)


@pytest.mark.parametrize("name", ["../up.png", "a\nb.png", "", "/root.png", "C:x.png"])
def test_a_name_no_bank_may_carry_is_refused_when_it_arrives(name, backbone):
    passes = []

    def counted(batch):
        passes.append(len(batch))
        return backbone(batch)

    named = [(f"{i}.png", image) for i, image in enumerate(parts(20))]
    named[9] = (name, named[9][1])
    with pytest.raises(ShapeError, match="An image name must"):
        Build(counted, backbone_ref(backbone), SMALL).run(named, 20)
    assert sum(passes) <= 9


def test_copies_of_one_image_give_a_bank_with_thresholds_of_zero(backbone):
    bank = build([parts(1)[0]] * 5, replace(SMALL, coreset_ratio=1.0), backbone)
    assert len(bank.vectors) <= PATCHES
    assert bank.calibration_scores.tolist() == [0] * 5
    assert thresholds_of(bank).reject == 0
    assert map_threshold_of(bank) > 0
    assert check_conformance(bank, backbone) == 0


@pytest.mark.parametrize("reweight", [False, True])
def test_constant_images_give_a_bank(reweight, backbone):
    grey = np.full((64, 64, 3), 128, np.uint8)
    bank = build([grey] * 5, replace(SMALL, coreset_ratio=1.0, reweight=reweight), backbone)
    assert np.isfinite(bank.vectors).all()
    assert bank.calibration_scores.tolist() == [0] * 5
    assert check_conformance(bank, backbone) == 0


def test_pairs_of_copies_give_a_bank(backbone):
    images = [image for image in parts(4) for _ in range(2)]
    bank = build(images, SMALL, backbone)
    assert len(np.unique(bank.vectors, axis=0)) == len(bank.vectors)
    assert len(bank.calibration_scores) == 8


def test_a_bank_that_one_image_gave_whole_is_calibrated_by_what_the_others_put_in_its_place(backbone):
    bank = build(parts(4), replace(SMALL, max_bank_vectors=1), backbone)
    assert len(bank.vectors) == 1
    assert np.all(bank.calibration_scores > 0)


def test_features_that_are_not_numbers_are_refused(backbone):
    def broken(batch):
        return [m * float("nan") for m in backbone(batch)]

    with pytest.raises(ShapeError, match="finite"):
        Build(broken, backbone_ref(backbone), SMALL).run([(f"{i}.png", x) for i, x in enumerate(parts(3))], 3)


# What the bank records


@pytest.mark.parametrize("kind", ["hnsw", "ivfpq"])
def test_recall_of_an_approximate_index_is_measured_on_patches_outside_the_bank(kind, backbone, monkeypatch):
    held, whole = [], Index.build

    def spied(vectors, config=None, seed=0, outside=None):
        held.extend([] if outside is None else [outside])
        return whole(vectors, config, seed, outside)

    monkeypatch.setattr(Index, "build", spied)
    config = replace(
        SMALL,
        coreset_ratio=0.5,
        index=IndexConfig(
            kind, links=4, build_effort=8, effort=1, lists=16, probes=1, code_bytes=1, rerank=1
        ),
    )
    bank = build(parts(12), config, backbone)
    mine = {v.tobytes() for v in bank.vectors}
    assert 100 < len(held[0]) <= 512
    assert not any(v.tobytes() in mine for v in held[0])
    exact = oracle.apart(held[0], bank.vectors).min(axis=1)
    found = bank.index.search(held[0])[0][:, 0]
    assert bank.index.recall == pytest.approx(np.mean(found <= exact * (1 + 1e-6)), abs=0.01)
    assert bank.index.recall < 1
    again = build(parts(12), config, backbone)
    assert bank_bytes(again) == bank_bytes(bank)


def test_large_conformance_images_are_kept_reduced_and_score_as_recorded(backbone):
    bank = build(parts(4, (500, 800)), SMALL, backbone)
    assert {image.shape for image in bank.conformance.images} == {(240, 384, 3)}
    assert len(bank.conformance.images) == 3
    assert check_conformance(bank, backbone) == 0


def test_a_defect_scores_above_every_nominal_image_left_out(backbone):
    bank = build(parts(12), SMALL, backbone)
    vectors, _ = oracle.patches(scratched(parts(1, seed=7)[0], 30, 30), SMALL, backbone)
    assert oracle.score(vectors, bank.vectors) > bank.calibration_scores.max()
