"""Parts found in moved photographs, to a known transform; and photographs in which nothing may be found."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from moved_parts import SIZE, furthest, moved, part, unlike

from core.config import RegistrationConfig
from core.errors import RegistrationError, ShapeError
from core.input.mask import mask_text
from core.input.photograph import Photograph
from core.registration import Keypoints, Location, Reference, choose_reference, locate
from core.registration.keypoints import keypoints_of, similarity, small
from core.registration.warp import resized, unwarped, warped

ON = RegistrationConfig(on=True)


def reference_of(image: np.ndarray, config: RegistrationConfig = ON) -> Reference:
    picture = small(Photograph(image), config.side)
    return Reference("good/0.png", image.shape[:2], picture, keypoints_of(picture))


def located(image: np.ndarray, reference: Reference, config: RegistrationConfig = ON) -> Location:
    return locate(Photograph(image), reference, config, None)


@pytest.mark.parametrize(
    ("degrees", "scale", "shift"),
    [(0, 1, (7.5, -4.25)), (15, 1, (0, 0)), (-100, 1.1, (5, 3)), (180, 0.9, (-6, 2))],
)
def test_a_known_similarity_is_found_within_half_a_pixel(
    degrees: float, scale: float, shift: tuple[float, float]
) -> None:
    image = part()
    photograph, matrix = moved(image, degrees, scale, shift)
    found = located(photograph, reference_of(image))
    assert found.located
    assert found.transform is not None
    assert furthest(found.transform, matrix) < 0.5
    assert abs(math.remainder(found.rotation - degrees, 360)) < 0.5
    assert found.scale == pytest.approx(scale, abs=0.01)
    assert found.inliers >= 20


def test_the_same_photograph_gives_the_same_bits() -> None:
    photograph = moved(part(), 33.0)[0]
    one, other = (located(photograph, reference_of(part())) for _ in range(2))
    assert one.document() == other.document()
    np.testing.assert_array_equal(one.transform, other.transform)


def test_a_transform_is_of_the_photograph_as_taken_at_whatever_scale_it_was_decoded() -> None:
    image = np.repeat(np.repeat(part(), 4, axis=0), 4, axis=1)
    photograph, matrix = moved(image, 20.0, shift=(40, -20))
    decoded = Photograph(np.ascontiguousarray(photograph[1::4, 1::4]), 4)
    found = locate(decoded, reference_of(image), ON, None)
    assert found.transform is not None
    assert furthest(found.transform, matrix, (960, 1280)) < 4


def test_the_reference_itself_is_still() -> None:
    found = located(part(), reference_of(part()))
    assert (found.still, found.fit, found.inspected_share) == (True, pytest.approx(1, abs=1e-3), 1.0)
    assert not located(moved(part(), 3.0)[0], reference_of(part())).still


NOISE = np.random.default_rng(1).integers(0, 256, (*SIZE, 3)).astype(np.uint8)


@pytest.mark.parametrize(
    "image",
    [np.full((*SIZE, 3), 128, np.uint8), NOISE, part(7), part()[:, ::-1], np.zeros((1, 1, 3), np.uint8)],
    ids=["blank", "noise", "another part", "mirrored", "a pixel"],
)
def test_what_shows_no_such_part_is_not_located(image: np.ndarray) -> None:
    found = located(image, reference_of(part()))
    assert not found.located
    assert "points agree" in found.document()["reason"]
    assert found.inliers < ON.min_inliers


def test_a_part_turned_or_sized_beyond_what_was_said_is_not_located() -> None:
    reference = reference_of(part())
    turned = located(moved(part(), 25.0)[0], reference, replace(ON, rotation=20.0))
    assert turned.refusal is not None
    assert "turned by 25 degrees" in turned.refusal
    small_one = located(moved(part(), 0.0, 0.6)[0], reference)
    assert small_one.refusal is not None
    assert "size is 0.60" in small_one.refusal
    assert located(moved(part(), 0.0, 0.6)[0], reference, replace(ON, scale=1.8)).located


def test_a_part_of_which_too_little_is_in_view_is_not_located() -> None:
    cut = moved(part(), 0.0, shift=(190, 0))[0]
    assert "is in view" in str(located(cut, reference_of(part())).refusal)
    kept = np.zeros(SIZE, bool)
    kept[40:200, 60:260] = True
    little = moved(part(), 0.0, shift=(80, 0))[0]
    assert located(little, reference_of(part())).located
    found = locate(Photograph(little), reference_of(part()), ON, mask_text(kept))
    assert "98% must be" in str(found.refusal)


def test_edges_that_agree_less_than_any_nominal_ones_refuse() -> None:
    photograph = moved(part(), 10.0)[0]
    photograph[80:160, 100:200] = 0
    reference = reference_of(part())
    fit = located(photograph, reference).fit
    assert fit is not None
    assert located(photograph, replace(reference, fits=np.array([fit, 0.99], np.float32))).located
    refused = located(photograph, replace(reference, fits=np.array([min(1, 1.4 * fit)], np.float32)))
    assert "edges agree" in str(refused.refusal)
    assert refused.transform is not None


def test_several_orientations_of_a_point_count_once() -> None:
    points = keypoints_of(small(Photograph(part()), 320))
    few = Keypoints(points.points[:3], points.descriptors[:3])
    many = Keypoints(np.repeat(few.points, 4, axis=0), np.repeat(few.descriptors, 4, axis=0))
    found = similarity(many, points)
    assert found is not None
    assert found.inliers <= 3


# Pictures and maps


def test_a_picture_shows_the_part_where_the_reference_has_it() -> None:
    image = part()
    photograph, matrix = moved(image, 12.0, shift=(6, -3))
    picture = warped(Photograph(photograph), matrix, SIZE, (0.5, 0.5, 0.5))
    inside = np.s_[40:200, 60:260]
    assert np.abs(picture[inside].astype(int) - image[inside]).mean() < 3
    beyond = warped(
        Photograph(photograph),
        matrix @ resized(SIZE, SIZE) + [[0, 0, 1e4], [0, 0, 0], [0, 0, 0]],
        SIZE,
        (0.5, 0.25, 1.0),
    )
    assert (beyond == (128, 64, 255)).all()


def test_a_map_brought_back_never_passes_its_peak_and_lies_where_it_was() -> None:
    heat = np.random.default_rng(2).uniform(0, 1, SIZE).astype(np.float32)
    heat[100, 150] = 3.0
    for degrees in (0.0, 13.0, 90.0, -77.7):
        _, matrix = moved(part(), degrees, 1.07, (3.3, 4.4))
        back = unwarped(heat, matrix, (300, 400))
        assert back.shape == (300, 400)
        assert back.max() <= heat.max()
        x, y = (matrix @ (150, 100, 1))[:2]
        peak = np.unravel_index(back.argmax(), back.shape)
        assert np.hypot(peak[0] - y, peak[1] - x) < 1.5


# The reference


def photographs(count: int = 9) -> list[np.ndarray]:
    return [moved(part(), 2.0 * i - 8, shift=(i, -i))[0] for i in range(count)]


def chosen(images: list[np.ndarray], config: RegistrationConfig = ON, mask: str | None = None) -> Reference:
    return choose_reference(
        [(f"good/{i}.png", lambda image=image: Photograph(image)) for i, image in enumerate(images)],
        config,
        mask,
        0,
    )


def test_a_reference_is_one_of_the_photographs_and_not_the_odd_one() -> None:
    images = [part(9), *photographs(12)]
    found = chosen(images)
    assert found.name != "good/0.png"
    assert found.size == SIZE
    assert chosen(images).name == found.name


@pytest.mark.parametrize("name", ["good/3.png", "3.png"])
def test_a_reference_may_be_named(name: str) -> None:
    assert chosen(photographs(), replace(ON, reference=name)).name == "good/3.png"


def test_a_digest_names_a_reference_too() -> None:
    named = [
        (f"{i:064d}/a.png", lambda image=image: Photograph(image)) for i, image in enumerate(photographs())
    ]
    assert choose_reference(named, replace(ON, reference=f"{2:064d}"), None, 0).name == named[2][0]


def test_keypoints_of_a_reference_lie_where_it_is_inspected() -> None:
    kept = np.zeros(SIZE, bool)
    kept[:, :160] = True
    found = chosen(photographs(), mask=mask_text(kept))
    assert 0 < len(found.keypoints.points) < len(chosen(photographs()).keypoints.points)
    assert found.keypoints.points[:, 0].max() < 160


@pytest.mark.parametrize(
    ("images", "reference", "said"),
    [
        (photographs(3), "none.png", "must be one of the nominal photographs"),
        ([*photographs(3), np.full((*SIZE, 3), 9, np.uint8)], "3.png", "at least 8 keypoints; received 0"),
        ([np.full((*SIZE, 3), i, np.uint8) for i in range(4)], None, "(--augment rotation=15"),
        ([unlike(i) for i in range(6)], None, "must have at least 8 points in common"),
        (photographs(1), None, "at least two nominal photographs"),
    ],
    ids=["no nominal image", "blank", "a blank set", "parts that differ", "one"],
)
def test_parts_that_cannot_be_registered_are_refused_with_the_remedy(
    images: list[np.ndarray], reference: str | None, said: str
) -> None:
    with pytest.raises(RegistrationError) as error:
        chosen(images, replace(ON, reference=reference))
    assert said in str(error.value)


def test_a_reference_of_another_form_is_refused() -> None:
    good = reference_of(part())
    with pytest.raises(ShapeError, match="Keypoints must be"):
        Keypoints(good.keypoints.points[:-1], good.keypoints.descriptors)
    with pytest.raises(ShapeError, match="fits from -1 to 1"):
        replace(good, fits=np.array([1.2], np.float32))
    with pytest.raises(ShapeError, match="size"):
        replace(good, size=(0, 4))
