"""A declared setting: what follows from its bounds, and how a config is changed by JSON."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import pytest

from core.config import DetectorConfig
from core.declared import Declared, all_settings, setting
from core.errors import ConfigError


@dataclass(frozen=True)
class Toy(Declared):
    side: int = setting(4, "Side.", "--side", ge=2, le=8, multiple_of=2)
    share: float | None = setting(None, "Share.", gt=0, lt=1)
    form: Literal["a", "b"] = setting("a", "a or b.")
    loud: bool = setting(False, "Loud.", "--loud", later=True)


SETTINGS = {one.name: one for one in all_settings(Toy)}


def test_help_says_the_bounds_and_whether_there_is_a_default() -> None:
    assert [one.help for one in SETTINGS.values()] == [
        "Side, a multiple of 2 from 2 to 8.",
        "Share, in (0, 1); none by default.",
        "a or b.",
        "Loud.",
    ]


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("side", 5, "Side must be a multiple of 2 from 2 to 8; received 5. Choose 4."),
        ("side", 99, "Side must be a multiple of 2 from 2 to 8; received 99. Choose 8."),
        ("side", 4.0, "Side must be int; received 4.0. Choose 4."),
        ("side", True, "Side must be int; received True. Choose 2."),
        ("share", 1.0, "Share must be in (0, 1); received 1.0. Choose one in (0, 1), or leave it out."),
        ("form", "c", "Form must be one of a, b; received 'c'. Choose a."),
        ("loud", 1, "Loud must be bool; received 1. Choose False."),
    ],
)
def test_a_refusal_says_what_is_allowed_and_what_to_choose(name: str, value: object, message: str) -> None:
    with pytest.raises(ConfigError) as refused:
        SETTINGS[name].checked(value)
    assert str(refused.value) == message


def test_a_later_setting_is_in_json_only_where_it_is_not_at_its_default() -> None:
    assert Toy().to_json() == {"side": 4, "share": None, "form": "a"}
    assert (Toy().later(), Toy(loud=True).later()) == ((), ("loud",))
    assert Toy.from_json(Toy(loud=True).to_json()) == Toy(loud=True)


def test_a_change_keeps_what_it_leaves_out_in_parts_too() -> None:
    changed = DetectorConfig(seed=3).changed({"input": {"crop": 64}, "pca": 8})
    assert (changed.seed, changed.input.size, changed.input.crop, changed.pca) == (3, 256, 64, 8)
    assert changed.changed({"pca": None, "input": {"crop": None}}) == DetectorConfig(seed=3)
    for wrong in ({"input": 3}, {"sise": 1}, {"input": {"sise": 1}}):
        with pytest.raises(ConfigError):
            changed.changed(wrong)


def test_every_setting_has_a_help_of_its_own_and_options_are_unique() -> None:
    found = all_settings(DetectorConfig)
    assert len({one.help for one in found}) == len({one.key for one in found}) == len(found)
    options = [one.option for one in found if one.option]
    assert len(set(options)) == len(options) >= 15
