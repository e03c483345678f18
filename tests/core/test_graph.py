"""The traced detector scores and draws as the engine's own parts do, with every option that changes either."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
import torch
from fakes import evenly_padded_backbone, random_backbone, tiny_spec, tiny_weights
from parts import SMALL, build, parts, scratched

from core import graph
from core.bank import Bank
from core.detector import detect
from core.graph import DetectorGraph
from core.input.preprocess import frame, picture, to_tensor
from core.judging.heatmap import heatmap
from models.backbone import load_module

OPTIONS = {
    "plain": {},
    "reweight": {"reweight": True},
    "reweight over the whole bank": {"reweight": True, "neighbours": 1000},
    "score map": {"score": "map"},
    "pca": {"pca": 8},
    "position": {"position": 2.0},
    "position, short side, pca": {"position": 2.0, "input": {"fit": "short_side"}, "pca": 8},
    "stride and size": {"patch": {"stride": 2, "size": 5}},
    "no smoothing": {"sigma": 0.0},
    "crop": {"input": {"crop": 32}},
    "grey": {"input": {"grey": True}},
    "short side": {"input": {"fit": "short_side"}},
    "short side, crop": {"input": {"fit": "short_side", "crop": 32}},
    "letterbox": {"input": {"fit": "letterbox"}},
    "letterbox, crop, score map": {"input": {"fit": "letterbox", "crop": 32}, "score": "map"},
    "augment": {"augment": {"flips": True}},
    "hnsw": {"index": {"kind": "hnsw"}},
}
SHAPES = ((70, 97), (130, 90), (64, 64))
OFFSET = -3.5


def traced(bank: Bank) -> torch.jit.ScriptModule:
    module = DetectorGraph(load_module(tiny_spec(), tiny_weights()), bank, OFFSET).eval()
    example = torch.from_numpy(picture(parts(1, (70, 97))[0], bank.config.input))[None]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = torch.jit.trace(module, example)
    assert isinstance(found, torch.jit.ScriptModule)
    return found


def check(bank: Bank, shapes: tuple[tuple[int, int], ...] = SHAPES) -> None:
    """One trace, made with an image of another shape, answers for images of these shapes."""
    graph_of_bank, ref, config = traced(bank), bank.backbone, bank.config
    for seed, shape in enumerate(shapes, 1):
        image = scratched(parts(1, shape, seed)[0], 30, 40)
        found = detect(to_tensor(image, config.input, ref.mean, ref.std)[None], random_backbone(), bank)
        shown = picture(image, config.input)
        cells = found.distances[0].reshape(found.grid)
        expected = heatmap(cells, frame(config.input, *shown.shape[:2]), config.sigma, OFFSET)
        score, heat = graph_of_bank(torch.from_numpy(shown)[None])
        assert score.shape == (1,)
        assert heat.shape == (1, *shown.shape[:2])
        np.testing.assert_allclose(score.numpy(), found.scores, rtol=1e-5)
        np.testing.assert_allclose(heat[0].numpy(), expected, atol=1e-5 * expected.max())


@pytest.mark.parametrize("name", OPTIONS)
def test_it_scores_and_draws_as_nominal_does(name):
    check(build(parts(12, (70, 97)), SMALL.changed(OPTIONS[name])))


def test_the_whitened_metric_is_in_it():
    check(build(parts(101), SMALL.changed({"metric": "whitened"})))


@pytest.mark.parametrize("reweight", [False, True])
def test_a_bank_in_several_blocks_is_searched_whole(monkeypatch, reweight):
    monkeypatch.setattr(graph, "BLOCK", 17)
    check(build(parts(12), SMALL.changed({"reweight": reweight})))


def test_a_map_lies_where_cells_look():
    """The offset of evenly padded convolutions moves the map, by the same pixels as the heatmap's."""
    backbone = evenly_padded_backbone()
    bank = build(parts(12), backbone=backbone)
    image = scratched(parts(1, seed=3)[0], 32, 24, 2)
    module = DetectorGraph(backbone.engine._module, bank, backbone.spec.offset)
    found = detect(
        to_tensor(image, bank.config.input, bank.backbone.mean, bank.backbone.std)[None], backbone, bank
    )
    cells, place = found.distances[0].reshape(found.grid), frame(bank.config.input, 64, 64)
    heat = module(torch.from_numpy(image)[None])[1][0].numpy()
    moved = heatmap(cells, place, bank.config.sigma, backbone.spec.offset)
    assert np.abs(heat - moved).max() < 1e-5 * moved.max()
    assert np.abs(heat - heatmap(cells, place, bank.config.sigma, 0.0)).max() > 1e-2 * moved.max()
