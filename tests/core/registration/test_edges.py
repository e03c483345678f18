"""Parts without texture: found by their edges where keypoints do not hold them, else refused."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
from moved_parts import SIZE, furthest, moved, noisy, part, unlike
from scipy.ndimage import gaussian_filter

from core.config import RegistrationConfig
from core.errors import RegistrationError
from core.input.mask import mask_text
from core.input.photograph import Photograph
from core.registration import Keypoints, Location, Reference, choose_reference, locate
from core.registration.keypoints import small
from core.registration.reference import ALIKE, LEAST_FIT

ON = RegistrationConfig(on=True)


def smooth(seed: int = 0) -> np.ndarray:
    """A bracket with a hole, without texture: soft edges, light that differs, faint noise."""
    y, x = np.mgrid[: SIZE[0], : SIZE[1]]
    leg, foot = (x > 90) & (x < 150) & (y > 50) & (y < 190), (x > 90) & (x < 240) & (y > 140) & (y < 190)
    shape = (leg | foot) & (np.hypot(x - 120, y - 80) > 14)
    rng = np.random.default_rng(seed)
    light = 1 + 0.1 * np.cos(rng.uniform(0, 6)) * (x / SIZE[1] - 0.5)
    grey = 120 + 100 * gaussian_filter(shape.astype(float), 3) * light
    return noisy(np.repeat(grey[..., None], 3, axis=2), seed)


def reference_of(image: np.ndarray) -> Reference:
    return Reference("good/0.png", image.shape[:2], small(Photograph(image), 160), Keypoints.none())


def located(image: np.ndarray, config: RegistrationConfig = ON, mask: str | None = None) -> Location:
    return locate(Photograph(image), reference_of(smooth()), config, mask)


def chosen(images: Sequence[np.ndarray], config: RegistrationConfig = ON) -> Reference:
    return choose_reference(
        [(f"good/{i}.png", partial(Photograph, image)) for i, image in enumerate(images)], config, None, 0
    )


@pytest.mark.parametrize(
    ("degrees", "scale", "shift"),
    [(0, 1, (7.5, -4.25)), (15, 1, (0, 0)), (-100, 1.1, (5, 3)), (179, 0.92, (-6, 2))],
)
def test_a_known_similarity_of_another_part_is_found_within_half_a_pixel(
    degrees: float, scale: float, shift: tuple[float, float]
) -> None:
    photograph, matrix = moved(smooth(5), degrees, scale, shift)
    found = located(photograph)
    assert (found.located, found.method, found.inliers, found.residual) == (True, "edges", None, None)
    assert found.transform is not None
    assert furthest(found.transform, matrix) < 0.5
    assert abs(math.remainder(found.rotation - degrees, 360)) < 0.5
    assert found.shift == pytest.approx(shift, abs=0.5)
    assert found.fit > 0.95


def test_the_reference_itself_is_still_and_bits_are_the_same() -> None:
    assert located(smooth()).still
    assert located(smooth(3)).document() == located(smooth(3)).document()


@pytest.mark.parametrize(
    "image",
    [
        np.full((*SIZE, 3), 128, np.uint8),
        np.random.default_rng(0).integers(0, 256, (*SIZE, 3), dtype=np.uint8),
        part(),
        smooth()[:, ::-1],
        np.zeros((1, 1, 3), np.uint8),
        np.random.default_rng(0).integers(0, 256, (4, 900, 3), dtype=np.uint8),
    ],
    ids=["blank", "noise", "another part", "mirrored", "a pixel", "a strip"],
)
def test_what_shows_no_such_part_is_not_located(image: np.ndarray) -> None:
    found = located(image)
    assert not found.located
    assert found.document()["reason"]
    assert found.fit is None or found.fit < LEAST_FIT


def test_a_part_turned_further_than_was_said_is_not_located() -> None:
    assert located(moved(smooth(), 12.0)[0], replace(ON, rotation=15.0)).located
    assert not located(moved(smooth(), 90.0)[0], replace(ON, rotation=15.0)).located


def test_edges_that_a_mask_leaves_out_do_not_count() -> None:
    kept = np.zeros(SIZE, bool)
    kept[30:210, 70:260] = True
    dirty, matrix = moved(smooth(), 8.0, shift=(4, 0))
    dirty[:, 280:] = np.random.default_rng(0).integers(0, 256, (SIZE[0], 40, 3))
    found = located(dirty, mask=mask_text(kept))
    assert found.transform is not None
    assert furthest(found.transform, matrix) < 0.5
    assert found.fit > located(dirty).fit


def test_parts_that_keypoints_do_not_hold_are_found_by_edges_and_others_by_keypoints() -> None:
    found = chosen([moved(smooth(i), 40.0 * i)[0] for i in range(9)])
    assert (found.method, found.picture.shape) == ("edges", (120, 160))
    assert replace(found, fits=np.array([0.99, 0.98], np.float32)).level > LEAST_FIT
    assert chosen([noisy(moved(part(), 5.0 * i)[0], i) for i in range(4)]).method == "sift"


def test_parts_that_differ_in_their_outlines_are_refused() -> None:
    with pytest.raises(RegistrationError, match="differ too much from each other"):
        chosen([unlike(i) for i in range(6)])
    assert located(unlike(0)).fit < ALIKE
