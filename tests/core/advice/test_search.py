"""The search on small drawn parts: what it picks, what it shares, what it leaves alone, and that it stops."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest
import torch
from fakes import random_backbone
from parts import SMALL, parts

from app.inspection.backbones import backbone_ref
from core.advice.budget import Budget
from core.advice.sample import Lens, Sample, Shot
from core.advice.search import Search, largest_size, sizes_above
from core.config import AugmentConfig, DetectorConfig, InputConfig
from core.errors import Cancelled, OneGroup
from core.groups import by_photograph
from core.input.photograph import Photograph
from core.search import Index

PLAIN = DetectorConfig(input=InputConfig(64), target_false_reject=0.2)


class Counting:
    """A backbone that counts the images it sees, by their size."""

    def __init__(self) -> None:
        self.backbone, self.seen = random_backbone(), dict[int, int]()

    def __call__(self, batch: torch.Tensor) -> list[torch.Tensor]:
        self.seen[batch.shape[2]] = self.seen.get(batch.shape[2], 0) + len(batch)
        return list(self.backbone(batch))


class ShortSighted(Counting):
    """One that sees nothing in inputs below 128 pixels."""

    def __call__(self, batch: torch.Tensor) -> list[torch.Tensor]:
        maps = super().__call__(batch)
        return maps if batch.shape[2] >= 128 else [torch.zeros_like(each) for each in maps]


def search(
    images: list[np.ndarray],
    config: DetectorConfig = PLAIN,
    eye: Counting | None = None,
    within: float | None = 1e6,
    **more: object,
) -> Search:
    eye = eye or Counting()
    shots = [
        Shot(f"{i:03d}.png", partial(lambda image, _: Photograph(image), image))
        for i, image in enumerate(images)
    ]
    sample = Sample(shots, range(0, len(shots), 2), [], 0)
    lens = Lens(eye, backbone_ref(eye.backbone))
    shape = (images[0].shape[0], images[0].shape[1])
    given: dict[str, object] = {"groups": by_photograph(len(shots))} | more
    return Search(
        sample,
        {"tiny": lambda: lens},
        config,
        len(shots),
        shape,
        Budget(len(shots), 1e6 if within else 30.0),
        **given,
    )  # type: ignore[arg-type]


def test_the_larger_input_is_taken_where_the_given_one_shows_nothing_and_the_largest_adds_nothing():
    found = search(parts(14, (192, 192)), eye=ShortSighted())
    found.run()
    advice = found.advice()
    tried = [trial.config.input.size for trial in found.trials]
    assert tried[:2] == [64, 128]
    assert advice.change["input"]["size"] >= 128
    assert advice.complete
    assert advice.sentence.startswith("Take size ")
    assert advice.trials[0].config == PLAIN
    second = advice.trials[1].gain
    assert second is not None
    assert second.clear
    assert (second.only_old, second.found > 0.3) == (0, True)


def test_features_of_one_size_are_computed_once_for_all_that_share_them():
    eye = Counting()
    found = search(parts(12, (64, 64)), eye=eye)
    found.run()
    tried = [trial.config for trial in found.trials]
    sharing = [config for config in tried if config.augment == AugmentConfig()]
    assert {config.score for config in sharing} == {"patch", "map"}
    assert {config.coreset_ratio for config in sharing} == {0.01, 0.05}
    copies = sum(config.augment != AugmentConfig() for config in tried)
    timed = len(tried) * 2
    plain, flips = 12 + 6, (24 + 6) * (copies > 0)
    assert eye.seen[64] <= plain + flips + timed + 4  # a few to warm up and to look at the grid


def test_no_photograph_is_enlarged():
    assert sizes_above(256, (380, 550)) == [384, 512]
    assert sizes_above(256, (256, 256)) == []
    assert sizes_above(256, (3000, 4000)) == [384, 512, 768, 1024, 1536]
    assert largest_size((300, 300)) == 288
    found = search(parts(10, (64, 64)))
    found.run()
    assert ("sizes above 64", "the photographs have 64 pixels a side at most") in [
        (each.setting, each.why) for each in found.not_tried
    ]


def test_an_input_larger_than_the_photographs_is_made_smaller_where_that_finds_as_much():
    found = search(parts(12, (64, 64)), DetectorConfig(input=InputConfig(192), target_false_reject=0.2))
    found.run()
    smaller = [trial for trial in found.trials if trial.config.input.size == 64]
    assert smaller
    assert max(trial.config.input.size for trial in found.trials) == 192


def test_a_crop_keeps_its_size():
    config = DetectorConfig(input=InputConfig(64, crop=32), target_false_reject=0.2)
    found = search(parts(10, (256, 256)), config)
    found.run()
    assert {trial.config.input.size for trial in found.trials} == {64}


def test_the_settings_given_are_judged_as_a_bank_of_the_other_half_judges():
    """The oracle: a bank by hand of one fold, and the largest distance of a photograph of the other."""
    found = search(parts(10, (64, 64)), SMALL)
    found.run()
    folds, seen = found.sample.folds(), random_backbone()
    first = found.trials[0]
    place = int(np.flatnonzero(folds == 0)[0])
    from core.features.patches import patch_features
    from core.input.preprocess import to_tensor
    from core.memory.coreset import greedy_coreset

    def vectors(image: np.ndarray) -> np.ndarray:
        x = to_tensor(image, SMALL.input, (0.5,) * 3, (0.25,) * 3)[None]
        return patch_features(seen(x), SMALL.patch).vectors[0].numpy()

    images = parts(10, (64, 64))
    learned = np.concatenate([vectors(images[i]) for i in np.flatnonzero(folds != 0)])
    picks = greedy_coreset(
        torch.from_numpy(learned), first.vectors, torch.Generator().manual_seed(SMALL.seed)
    )
    expected = Index.build(learned[picks.indices]).search(vectors(images[place]))[0].max()
    parts_of_fold = np.flatnonzero(folds == 0).tolist()
    assert first.judged.clean[parts_of_fold.index(place)] == pytest.approx(expected, rel=1e-5)


def test_a_cancelled_search_keeps_what_it_knows():
    asked = {"stop": False}

    def progress(stage: str, done: int, total: int) -> None:
        asked["stop"] = asked["stop"] or stage.startswith("Trying")

    found = search(parts(10, (64, 64)), progress=progress, cancelled=lambda: asked["stop"])
    with pytest.raises(Cancelled):
        found.run()
    advice = found.advice()
    assert not advice.complete
    assert len(advice.trials) == 1
    assert "Stopped early: this is what was known by then." in advice.says()


def test_photographs_of_one_part_cannot_be_held_out():
    found = search([parts(1, (64, 64))[0]] * 10, groups=None)
    with pytest.raises(OneGroup):
        found.run()


def test_copies_in_two_groups_are_said_to_teach_nothing():
    found = search([parts(1, (64, 64))[0]] * 10)
    found.run()
    assert any("all alike" in sentence for sentence in found.advice().says())


def test_time_that_is_up_names_what_was_not_tried():
    found = search(parts(10, (128, 128)), within=None)
    found.run()
    assert len(found.trials) == 1
    assert {"size 128", "score map"} <= {each.setting for each in found.not_tried}
    assert all("plain builds" in each.why for each in found.not_tried if each.setting == "score map")
