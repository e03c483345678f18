"""Photographs of one part are found, distinct parts stay apart, copies are named; the same on any threads."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from fakes import tiny_module
from scipy.ndimage import gaussian_filter, shift

from bench.bursts import castings
from core.errors import AllDuplicates, Cancelled, ShapeError
from core.groups import Described, Describer, by_likeness, exact_duplicates, numbered, require_several
from core.groups.near import PEAK, confirm
from core.groups.texture import peaks, texture, whitened
from core.groups.whiten import chance, components, whiten


def surface(rng):
    """A part's own surface on a ring that all parts share, (192, 192)."""
    y, x = np.mgrid[:192, :192] - 95.5
    ring = gaussian_filter(((np.hypot(y, x) > 25) & (np.hypot(y, x) < 80)).astype(float), 1)
    return 0.5 - 0.3 * ring + 1.0 * ring * gaussian_filter(rng.standard_normal((192, 192)), 3)


def shots(rng, parts, each):
    """(parts * each, 3, 192, 192): moved by up to two pixels, lit and noisy anew in each."""
    found = []
    for _ in range(parts):
        part = surface(rng)
        for _ in range(each):
            moved = shift(part, rng.uniform(-2, 2, 2), order=1, mode="nearest") * rng.uniform(0.9, 1.1)
            found.append(moved + rng.normal(0, 0.015, moved.shape))
    return torch.from_numpy(np.stack(found)).float()[:, None].repeat(1, 3, 1, 1)


def described(inputs, batch=4):
    describer, extract = Describer(), tiny_module()
    with torch.inference_mode():
        for some in inputs.split(batch):
            describer.add(some, extract(some)[-1])
    return describer.described()


def of(inputs):
    return by_likeness(described(inputs))


def test_each_burst_is_one_group(rng):
    groups = of(shots(rng, 12, 4))
    assert groups.labels.tolist() == [part for part in range(12) for _ in range(4)]
    assert str(groups).startswith("48 photographs of about 12 parts")


def test_distinct_parts_stay_apart_but_for_the_pair_that_chance_may_bring(rng):
    kept = described(shots(rng, 60, 1))
    assert confirm(kept, np.arange(60), 0).peaks.max() < PEAK / 1.5
    assert by_likeness(kept).count >= 58  # the bar of cosines lets one pair pass if directions are uniform


def test_rigid_parts_posed_alike_stay_apart_where_plain_correlation_takes_them_for_one():
    parts, images = zip(*castings(30, 30), strict=True)
    inputs = torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2).float().contiguous() / 255
    spectra = np.stack([texture(each) for each in inputs])
    first, second = np.triu_indices(60, 1)
    same = np.array(parts)[first] == np.array(parts)[second]
    plain, found = (peaks(each, first, second) for each in (spectra, whitened(spectra)))
    assert plain[~same].min() > PEAK
    assert found[same].min() > PEAK > found[~same].max()


def test_more_shots_of_one_part_than_a_group_may_have_are_cut_and_that_is_said(rng):
    groups = of(shots(rng, 3, 20))
    assert groups.cut == 3
    assert groups.sizes.max() <= 12
    parts = np.repeat(np.arange(3), 20)
    assert all(len(set(parts[each])) == 1 for each in groups.members())
    assert any("cut into groups" in sentence for sentence in groups.notices())


def test_copies_stay_together_however_many_and_are_reported(rng):
    inputs = shots(rng, 6, 1)
    copied = torch.cat([inputs, inputs[2:3].repeat(15, 1, 1, 1)])
    groups = of(copied)
    assert groups.labels.tolist() == [0, 1, 2, 3, 4, 5, *[2] * 15]
    assert groups.duplicates == tuple((2, i) for i in range(6, 21))
    assert [each.tolist() for each in exact_duplicates(described(copied))] == [[2, *range(6, 21)]]


def test_one_grey_level_makes_no_exact_copy(rng):
    inputs = shots(rng, 2, 1)
    near = torch.cat([inputs, inputs[:1]])
    near[2, 0, 5, 5] += 1 / 255
    groups = of(near)
    assert groups.duplicates == ()
    assert groups.labels.tolist() == [0, 1, 0]


def test_one_photograph_and_only_copies_are_one_group(rng):
    one = shots(rng, 1, 1)
    assert of(one).count == 1
    copies = of(one.repeat(5, 1, 1, 1))
    with pytest.raises(AllDuplicates, match="5 copies of one photograph"):
        require_several(copies)


def test_even_images_have_no_texture_to_match():
    even = torch.stack([torch.full((3, 64, 64), level) for level in (0.1, 0.5, 0.9)])
    groups = of(even)
    assert groups.images == 3
    assert np.abs(described(even).textures).max() == 0


def test_the_partition_does_not_depend_on_the_order_of_photographs(rng):
    inputs = shots(rng, 10, 3)
    order = rng.permutation(30)
    moved = numbered(of(inputs[torch.from_numpy(order)]).labels[np.argsort(order)].tolist())
    assert moved.tolist() == of(inputs).labels.tolist()


def test_bits_do_not_depend_on_threads_or_batches(rng):
    inputs, before, found = shots(rng, 8, 3), torch.get_num_threads(), []
    maps = tiny_module()(inputs)[-1].detach()
    try:
        for threads, batch in ((1, 24), (2, 3), (3, 1)):
            torch.set_num_threads(threads)
            describer = Describer(7)
            for some, last in zip(inputs.split(batch), maps.split(batch), strict=True):
                describer.add(some, last)
            kept = describer.described()
            sure = confirm(kept, np.arange(24), 0)
            found.append([kept.sketches, kept.textures, sure.cosines, sure.peaks, by_likeness(kept).labels])
    finally:
        torch.set_num_threads(before)
    for others in found[1:]:
        assert all(np.array_equal(a, b) for a, b in zip(found[0], others, strict=True))


def test_a_peak_is_one_for_itself_and_for_a_turned_round_move(rng):
    part = torch.from_numpy(rng.standard_normal((3, 160, 160))).float()
    moved = torch.roll(part, (9, -14), dims=(1, 2))
    spectra = np.stack([texture(part), texture(moved)])
    zero, one = np.array([0, 0]), np.array([0, 1])
    assert peaks(spectra, zero, one) == pytest.approx([1, 1], abs=0.06)
    assert peaks(spectra, zero[:1], one[:1]) == pytest.approx([1], abs=1e-5)


def test_a_move_beyond_the_lag_is_not_found(rng):
    part = torch.from_numpy(rng.standard_normal((3, 160, 160))).float()
    spectra = np.stack([texture(part), texture(torch.roll(part, 60, dims=2))])
    assert peaks(spectra, np.array([0]), np.array([1]))[0] < 0.3


def test_peaks_are_those_of_the_whole_inverse_transform(rng):
    inputs = torch.from_numpy(rng.standard_normal((2, 3, 160, 160))).float()
    spectra = np.stack([texture(each) for each in inputs])
    full = np.zeros((160, 81), np.complex128)
    cross = spectra[0] * spectra[1].conj()
    full[:25, :25], full[-24:, :25] = cross[:25], cross[25:]
    plane = np.fft.irfft2(full, s=(160, 160)) * 160 * 160
    near = np.r_[0:21, 140:160]
    expected = plane[np.ix_(near, near)].max()
    assert peaks(spectra, np.array([0]), np.array([1]))[0] == pytest.approx(expected, abs=1e-5)


def test_whitened_descriptors_have_one_covariance_in_all_directions(rng):
    scales = np.logspace(0, 2, 24)
    sketches = (rng.standard_normal((4000, 24)) * scales).astype(np.float32)
    found = whiten(sketches)
    assert found.shape == (4000, components(4000, 24)) == (4000, 24)
    assert np.linalg.norm(found, axis=1) == pytest.approx(1, abs=1e-5)
    spread = np.linalg.eigvalsh(np.cov(found[:, -3:].T))  # the widest, on which the ridge weighs little
    assert spread.max() / spread.min() < 1.5


def test_few_images_have_few_components_and_a_high_bar_for_chance():
    assert [components(n, 512) for n in (1, 7, 16, 120, 5000)] == [1, 1, 2, 15, 128]
    assert chance(3, 100) == 1
    assert chance(7, 58) > 0.9 > chance(15, 120) > chance(73, 588) > chance(128, 5000)


def test_chance_is_the_cosine_that_one_random_pair_passes(rng):
    vectors = rng.standard_normal((40, 300, 10))
    vectors /= np.linalg.norm(vectors, axis=2, keepdims=True)
    bar = chance(10, 300)
    passed = [(np.triu(each @ each.T, 1) > bar).sum() for each in vectors]
    assert np.mean(passed) == pytest.approx(1, abs=0.6)


def test_a_request_to_stop_ends_the_search(rng):
    def stop() -> None:
        raise Cancelled(requirement="a", received="b", remedy="c")

    with pytest.raises(Cancelled):
        by_likeness(described(shots(rng, 4, 2)), check=stop)


def test_what_does_not_belong_together_is_refused(rng):
    describer = Describer()
    with pytest.raises(ShapeError):
        describer.described()
    describer.add(torch.zeros(1, 3, 64, 64), torch.zeros(1, 20, 4, 4))
    with pytest.raises(ShapeError):
        describer.add(torch.zeros(1, 3, 64, 64), torch.zeros(1, 24, 4, 4))
    kept = describer.described()
    with pytest.raises(ShapeError):
        Described(kept.sketches, kept.textures, ())


def test_maps_that_are_not_finite_are_refused(rng):
    describer = Describer()
    describer.add(torch.rand(20, 3, 64, 64), torch.full((20, 20, 4, 4), torch.nan))
    with pytest.raises(ShapeError, match="finite"):
        by_likeness(describer.described())
