"""The detector's configuration: what it allows, and JSON that is read strictly."""

from __future__ import annotations

import dataclasses
import json
import math

import pytest

from core.config import DetectorConfig, IndexConfig, InputConfig, PatchConfig
from core.errors import ConfigError

UNUSUAL = DetectorConfig(
    input=InputConfig(size=320, fit="letterbox", crop=256),
    patch=PatchConfig(size=5, stride=2),
    index=IndexConfig(kind="hnsw", links=16),
    coreset_ratio=0.25,
    max_bank_vectors=7,
    min_bank_vectors=5,
    projection=64,
    seed=2**63 - 1,
    reweight=True,
    neighbours=3,
    sigma=0.0,
    target_false_reject=0.05,
    target_review=0.2,
    pca=256,
)


def test_a_score_is_one_of_two_and_not_reweighted_unless_it_is_of_patches():
    assert "score" not in DetectorConfig().to_json()
    assert DetectorConfig(score="map").to_json()["score"] == "map"
    with pytest.raises(ConfigError, match="Score must be one of patch, map; received 'peak'"):
        DetectorConfig().changed({"score": "peak"})
    with pytest.raises(ConfigError, match="reweight needs the score patch; received reweight with score map"):
        DetectorConfig(score="map", reweight=True)


@pytest.mark.parametrize("config", [DetectorConfig(), UNUSUAL])
def test_a_config_read_back_from_json_text_is_equal(config):
    assert DetectorConfig.from_json(json.loads(json.dumps(config.to_json()))) == config


def test_whole_numbers_are_read_as_floats_where_a_float_belongs():
    read = DetectorConfig.from_json(DetectorConfig().to_json() | {"sigma": 4, "coreset_ratio": 1})
    assert (type(read.sigma), type(read.coreset_ratio)) == (float, float)


@pytest.mark.parametrize(
    ("name", "values"),
    {
        "coreset_ratio": [0.0, -0.1, 1.01, math.nan, math.inf],
        "max_bank_vectors": [0, -1, 10_000_001],
        "min_bank_vectors": [-1, 10_000_001],
        "projection": [0, 4097],
        "seed": [-1, 2**63],
        "neighbours": [0, 1001],
        "sigma": [-1.0, 64.5, math.nan, math.inf],
        "target_false_reject": [0.0, 1.0, -0.1, math.nan],
        "target_review": [0.005, 1.0, math.nan],
        "pca": [0, -1, 4097],
    }.items(),
)
def test_a_value_outside_its_range_is_refused_by_the_name_of_its_setting(name, values):
    for value in values:
        with pytest.raises(ConfigError, match=rf"(?i)^{name} must .*; received {value}\. Choose"):
            DetectorConfig(**{name: value})


@pytest.mark.parametrize(
    ("name", "value"),
    [("coreset_ratio", 1.0), ("max_bank_vectors", 1), ("seed", 0), ("sigma", 64.0), ("neighbours", 1)],
)
def test_the_ends_of_a_range_are_allowed(name, value):
    assert getattr(DetectorConfig(**{name: value}), name) == value


def test_the_review_rate_may_equal_the_reject_rate():
    assert DetectorConfig(target_false_reject=0.1, target_review=0.1).target_review == 0.1


def test_a_config_from_before_principal_components_reads_and_writes_as_it_did():
    value = DetectorConfig().to_json()
    assert "pca" not in value
    assert DetectorConfig.from_json(value).pca is None
    assert DetectorConfig.from_json(value | {"pca": None}).to_json() == value


def test_reduced_jpeg_is_written_where_it_is_on_and_off_where_it_is_missing():
    value = DetectorConfig().to_json()
    assert set(value["input"]) == {"size", "fit", "crop"}
    assert not DetectorConfig.from_json(value).input.reduced_jpeg
    assert (
        DetectorConfig.from_json(value | {"input": value["input"] | {"reduced_jpeg": False}}).to_json()
        == value
    )
    on = DetectorConfig(input=InputConfig(reduced_jpeg=True))
    assert on.to_json()["input"] == value["input"] | {"reduced_jpeg": True}
    assert DetectorConfig.from_json(on.to_json()) == on
    for wrong in (1, "true", None):
        with pytest.raises(ConfigError, match="reduced_jpeg must be bool"):
            DetectorConfig.from_json(value | {"input": value["input"] | {"reduced_jpeg": wrong}})


WRONG_TYPES = {
    "seed": [True, 1.0, "1", None, [1]],
    "sigma": ["4", True, math.nan, math.inf, 10**400, None],
    "reweight": [0, 1, "yes", None],
    "target_review": ["0.1", False, 10**400],
    "pca": ["256", True, 256.0],
    "index": [None, "flat", []],
}


@pytest.mark.parametrize(("name", "values"), WRONG_TYPES.items())
def test_json_of_a_wrong_type_is_refused(name, values):
    for value in values:
        with pytest.raises(ConfigError, match="must be"):
            DetectorConfig.from_json(DetectorConfig().to_json() | {name: value})


@pytest.mark.parametrize("part", [None, "input", "patch", "index"])
def test_an_unknown_or_missing_key_is_named_at_any_depth(part):
    value = DetectorConfig().to_json()
    place = value[part] if part else value
    place["sgima"] = 3
    with pytest.raises(ConfigError, match=r"unknown \['sgima'\]"):
        DetectorConfig.from_json(value)
    del place["sgima"]
    gone = next(iter(place))
    del place[gone]
    with pytest.raises(ConfigError, match=rf"missing \['{gone}'\]"):
        DetectorConfig.from_json(value)


def test_a_part_out_of_range_is_refused_when_read():
    value = DetectorConfig().to_json()
    for part, change in (("input", {"size": 100}), ("input", {"fit": "squash"}), ("patch", {"size": 4})):
        with pytest.raises(ConfigError):
            DetectorConfig.from_json(value | {part: value[part] | change})


@pytest.mark.parametrize("value", [None, [], "config", 3])
def test_what_is_no_object_is_refused(value):
    with pytest.raises(ConfigError, match="must be an object"):
        DetectorConfig.from_json(value)


def test_a_huge_number_is_not_repeated_in_full():
    with pytest.raises(ConfigError) as refused:
        DetectorConfig(seed=10**1000)
    assert len(str(refused.value)) < 200


def test_a_config_cannot_be_changed():
    with pytest.raises(dataclasses.FrozenInstanceError):
        DetectorConfig().seed = 1
