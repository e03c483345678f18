"""Principal components: those of float64 numpy, the same for any threads, one space for build and inspection."""

from __future__ import annotations

import hashlib
from dataclasses import replace

import numpy as np
import oracle
import pytest
import torch
from fakes import random_backbone
from parts import SMALL, build, parts, scratched, sha256_elsewhere

import core.build
import core.features.pca
from app.inspection.backbones import backbone_ref
from app.inspection.engine import Engine
from core.bank import Bank, bank_bytes, load_bank
from core.build import Build, BuildLimits
from core.config import Metric
from core.detector import check_conformance
from core.errors import Cancelled, ConfigError, ShapeError
from core.features.pca import Pca, fit_pca
from core.memory.patch_store import PatchStore

REDUCED = replace(SMALL, pca=6)
DIMENSION, PATCHES = 32, 64  # of the tiny backbone at 64 pixels


@pytest.fixture(scope="module")
def backbone():
    return random_backbone()


@pytest.fixture(scope="module")
def bank(backbone) -> Bank:
    return build(parts(8), REDUCED, backbone)


def stored(vectors: np.ndarray, images: int = 4) -> PatchStore:
    store = PatchStore(vectors.shape[1], 1 << 30)
    for i, part in enumerate(np.split(vectors.astype(np.float32), images)):
        store.append(torch.from_numpy(part), i, (len(part), 1))
    return store


def fitted(vectors: np.ndarray, k: int | None, seed: int = 0, metric: Metric = "euclidean") -> Pca:
    return fit_pca(stored(vectors), replace(SMALL, pca=k, seed=seed, metric=metric), lambda: None)


def principal(vectors: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    """Mean and components by singular values, in float64; the largest coordinate of each is positive."""
    mean = vectors.astype(np.float64).mean(axis=0)
    components = np.linalg.svd(vectors - mean, full_matrices=False)[2][:k]
    largest = np.take_along_axis(components, np.abs(components).argmax(axis=1)[:, None], axis=1)
    return mean, components * np.sign(largest)


# The components


@pytest.mark.parametrize("far", [0, 1000])
@pytest.mark.parametrize("block", [64, 4096])
def test_components_are_those_of_a_singular_value_decomposition(far, block, rng, monkeypatch):
    monkeypatch.setattr(core.features.pca, "_BLOCK", block)
    spread = 2.0 ** -np.arange(12)
    turned = np.linalg.qr(rng.normal(size=(12, 12)))[0]
    vectors = ((rng.normal(size=(800, 12)) * spread) @ turned.T + far).astype(np.float32)
    mean, components = principal(vectors, 5)
    pca = fitted(vectors, 5)
    np.testing.assert_allclose(pca.mean, mean, rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(pca.components, components, atol=1e-5)


def test_a_sample_of_many_patches_gives_nearly_the_components_of_all(rng, monkeypatch):
    monkeypatch.setattr(core.features.pca, "SAMPLE", 1000)
    vectors = rng.normal(size=(4000, 6)) * [8, 4, 2, 0.1, 0.1, 0.1]
    components = principal(vectors, 3)[1]
    first, same, other = (fitted(vectors, 3, seed) for seed in (0, 0, 1))
    assert torch.equal(first.components, same.components)
    assert not torch.equal(first.components, other.components)
    np.testing.assert_allclose(first.components, components, atol=0.05)


def test_projections_are_coordinates_from_the_mean(rng):
    vectors = rng.normal(size=(400, 12)).astype(np.float32) + 3
    mean, components = principal(vectors, 5)
    pca = fitted(vectors, 5)
    found = pca.project(torch.from_numpy(vectors.reshape(4, 100, 12)))
    np.testing.assert_allclose(found.reshape(400, 5), (vectors - mean) @ components.T, atol=1e-4)


@pytest.mark.parametrize("patches", [1, 3, 64, 101])
def test_a_batch_projects_to_the_bits_of_its_images_alone(patches, rng):
    pca = fitted(rng.normal(size=(400, 96)), 40)
    batch = torch.from_numpy(rng.normal(size=(3, patches, 96)).astype(np.float32))
    alone = torch.cat([pca.project(image[None]) for image in batch])
    assert torch.equal(pca.project(batch), alone)


@pytest.mark.parametrize("k", [None, 5])
def test_whitened_components_divide_by_the_shrunk_spread_along_each(k, rng):
    spread = 2.0 ** -np.arange(12)
    vectors = (rng.normal(size=(800, 12)) * spread) @ np.linalg.qr(rng.normal(size=(12, 12)))[0].T
    kept, mean_variance = k or 12, vectors.var(axis=0).mean()
    mean, components = principal(vectors, kept)
    variances = ((vectors - mean) @ components.T).var(axis=0)
    pca = fitted(vectors, k, metric="whitened")
    expected = components * np.sqrt(mean_variance / (variances + mean_variance))[:, None]
    np.testing.assert_allclose(pca.components, expected, atol=1e-4)
    assert pca.whitened
    assert not fitted(vectors, 5).whitened


def test_patches_without_any_spread_are_whitened_to_finite_vectors():
    pca = fitted(np.ones((40, 6)), None, metric="whitened")
    assert torch.equal(pca.project(torch.ones(1, 3, 6)), torch.zeros(1, 3, 6))


def test_components_that_are_not_perpendicular_or_longer_than_1_are_refused():
    for components in (
        2 * torch.eye(3),
        torch.ones(2, 3) / 3**0.5,
        torch.eye(3) * torch.nan,
        torch.eye(4, 3),
        torch.zeros(2, 3),
    ):
        with pytest.raises(ShapeError, match="components"):
            Pca(torch.zeros(3), components)


def test_vectors_that_are_not_numbers_have_no_components(rng):
    vectors = rng.normal(size=(40, 6))
    vectors[7, 2] = np.nan
    with pytest.raises(ShapeError, match="must be finite"):
        fitted(vectors, 2)


# Builds


def test_a_build_scores_as_the_textbook_in_the_reduced_space(bank, backbone):
    images = parts(8)
    points = np.concatenate([oracle.patches(image, REDUCED, backbone)[0] for image in images])
    mean, components = principal(points, 6)
    np.testing.assert_allclose(bank.pca.components, components, atol=1e-3)
    origin = bank.provenance
    turned, owner = (points - mean) @ components.T, np.repeat(np.arange(8), PATCHES)
    kept = points[origin.image * PATCHES + origin.row * 8 + origin.column]
    np.testing.assert_allclose(bank.vectors, (kept - mean) @ components.T, atol=1e-3)
    for i, image in enumerate([scratched(parts(1, seed=7)[0], 30, 30), parts(1, seed=9)[0]]):
        vectors = (oracle.patches(image, REDUCED, backbone)[0] - mean) @ components.T
        found = Engine(backbone, bank).inspect([image])[0].score
        assert found == pytest.approx(oracle.score(vectors, bank.vectors), rel=1e-3), i
    for i, image in enumerate(images):
        vectors = (oracle.patches(image, REDUCED, backbone)[0] - mean) @ components.T
        rest = bank.vectors[origin.image != i]
        picks = origin.image * PATCHES + origin.row * 8 + origin.column
        put_in = oracle.substitutes(turned, owner, picks, i)
        expected = oracle.score(vectors, np.concatenate([rest, turned[put_in]]))
        assert bank.calibration_scores[i] == pytest.approx(expected, rel=1e-3)


@pytest.fixture
def few_may_be_whitened(monkeypatch):
    monkeypatch.setattr(core.build, "WHITENED_PARTS", 2)


def test_a_whitened_metric_of_few_parts_is_refused_before_the_images_are_read(backbone):
    config, seen = replace(SMALL, metric="whitened"), []

    def named():
        for i, image in enumerate(parts(8)):
            seen.append(i)
            yield f"{i}.png", image

    with pytest.raises(ConfigError, match=r"at least 100 nominal parts.*; received 8 parts"):
        Build(backbone, backbone_ref(backbone), config).run(named(), 8)
    assert seen == [0]


def test_a_whitened_metric_counts_parts_not_photographs(backbone, monkeypatch):
    monkeypatch.setattr(core.build, "WHITENED_PARTS", 5)
    with pytest.raises(ConfigError, match="received 4 parts"):
        build(parts(8), replace(SMALL, metric="whitened"), backbone, groups=[0, 0, 1, 1, 2, 2, 3, 3])


@pytest.mark.usefixtures("few_may_be_whitened")
def test_a_whitened_build_scores_as_the_textbook_on_whitened_vectors(backbone):
    config, images = replace(SMALL, metric="whitened", coreset_ratio=1.0), parts(8)
    bank = load_bank(bank_bytes(build(images, config, backbone)))
    points = np.concatenate([oracle.patches(image, config, backbone)[0] for image in images])
    mean, axes = principal(points, DIMENSION)
    variances = ((points - mean) @ axes.T).var(axis=0)
    axes *= np.sqrt(variances.mean() / (variances + variances.mean()))[:, None]
    nominal = (points - mean) @ axes.T
    for image in (scratched(parts(1, seed=7)[0], 30, 30), parts(1, seed=9)[0]):
        vectors = (oracle.patches(image, config, backbone)[0] - mean) @ axes.T
        assert Engine(backbone, bank).inspect([image])[0].score == pytest.approx(
            oracle.score(vectors, nominal), rel=1e-3
        )
    shorter = replace(bank.config, metric="euclidean", pca=DIMENSION)
    with pytest.raises(ShapeError, match="of length 1 unless the metric is whitened"):
        replace(bank, config=shorter)


def test_all_components_keep_the_scores_of_whole_vectors(backbone):
    whole = build(parts(6), replace(SMALL, coreset_ratio=1.0), backbone)
    turned = build(parts(6), replace(SMALL, coreset_ratio=1.0, pca=DIMENSION), backbone)
    np.testing.assert_allclose(turned.calibration_scores, whole.calibration_scores, rtol=1e-3)
    np.testing.assert_allclose(turned.calibration_peaks, whole.calibration_peaks, rtol=1e-3)


def test_a_loaded_bank_scores_as_the_built_one(bank, backbone):
    loaded = load_bank(bank_bytes(bank))
    for image in (*parts(2, seed=3), scratched(parts(1)[0], 20, 40)):
        mine, theirs = (Engine(backbone, b).inspect([image])[0] for b in (bank, loaded))
        assert mine.score == theirs.score
        np.testing.assert_array_equal(mine.heatmap, theirs.heatmap)
    assert check_conformance(loaded, backbone) == 0


def test_another_process_with_other_threads_gives_the_same_bytes(bank):
    assert (
        sha256_elsewhere("build(parts(8), replace(SMALL, pca=6))")
        == hashlib.sha256(bank_bytes(bank)).hexdigest()
    )


@pytest.mark.usefixtures("few_may_be_whitened")
@pytest.mark.parametrize("options", [{"reweight": True}, {"pca": 1}, {"metric": "whitened"}], ids=str)
def test_other_settings_go_with_it(options, backbone):
    bank = build(parts(6), replace(REDUCED, **options), backbone)
    assert bank.vectors.shape[1] == bank.config.pca
    assert check_conformance(load_bank(bank_bytes(bank)), backbone) == 0
    assert Engine(backbone, bank).inspect([scratched(parts(1)[0], 30, 30)])[0].decision == "reject"


def test_constant_images_give_a_bank(backbone):
    grey = np.full((64, 64, 3), 128, np.uint8)
    bank = build([grey] * 5, replace(REDUCED, coreset_ratio=1.0), backbone)
    assert bank.calibration_scores.tolist() == [0] * 5


def test_whole_vectors_lie_in_a_file_that_goes_and_the_plan_says_so(backbone, tmp_path):
    said, steps = [], []
    build(
        parts(6),
        REDUCED,
        backbone,
        limits=BuildLimits(1536 << 20, tmp_path),
        say=said.append,
        progress=lambda *step: steps.append(step),
    )
    features = [(done, total) for stage, done, total in steps if stage == "features"]
    assert features == sorted(features)
    assert features[-1] == (6, 6)
    assert f"{6 * PATCHES * DIMENSION * 4 / 1e6:,.0f} MB of disk" in said[0]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("reads", [3, 9])
def test_a_build_stops_between_its_two_looks_at_the_patches(reads, backbone, tmp_path):
    steps = []
    with pytest.raises(Cancelled, match="in stage features"):
        build(
            parts(9),
            REDUCED,
            backbone,
            limits=BuildLimits(1536 << 20, tmp_path),
            progress=lambda stage, done, total: steps.append(done),
            cancelled=lambda: bool(steps) and steps[-1] >= reads,
        )
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("k", "images", "message"), [(33, 4, "backbone's 32 dimensions"), (16, 4, "16 for 16 patches")]
)
def test_more_components_than_there_can_be_are_refused_before_the_images_are_read(
    k, images, message, backbone
):
    config = replace(SMALL, pca=k, patch=replace(SMALL.patch, stride=4))  # 4 patches an image
    seen = []

    def named():
        for i, image in enumerate(parts(images)):
            seen.append(i)
            yield f"{i}.png", image

    with pytest.raises(ConfigError, match=message):
        Build(backbone, backbone_ref(backbone), config).run(named(), images)
    assert seen == [0]
