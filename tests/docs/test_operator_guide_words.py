"""docs/operator.md speaks the console's words: names, keys, states, and how many photographs a rate needs."""

from __future__ import annotations

import importlib
import pkgutil
import re
from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass
from pathlib import Path

import app.console
from app.console.pages.banks.words import BANKS
from app.console.widgets.words import REVIEWING
from core.judging.calibration import images_needed

GUIDE = (Path(__file__).resolve().parents[2] / "docs" / "operator.md").read_text(encoding="utf-8")
OURS = {"Good photographs", "How many", "bold"}  # emphasis in the guide's own words


def shown() -> Iterator[str]:
    """Every text of every table of the console."""
    for module in pkgutil.walk_packages(app.console.__path__, "app.console."):
        if module.name.endswith(".words"):
            for value in vars(importlib.import_module(module.name)).values():
                yield from _texts(value)


def _texts(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        yield from (text for each in value.values() for text in _texts(each))
    elif is_dataclass(value) and not isinstance(value, type):
        yield from (text for field in fields(value) for text in _texts(getattr(value, field.name)))


def test_every_word_in_bold_is_on_the_screen() -> None:
    whole = [re.sub(r"\\{\w+\\}", ".+", re.escape(text)) for text in shown() if not text.startswith("{")]
    for words in set(re.findall(r"\*\*([^*]+)\*\*", GUIDE)) - OURS:
        assert any(re.fullmatch(text, words) for text in whole), words


def test_the_keys_of_the_review_queue_are_those_of_the_console() -> None:
    rows = re.findall(r"^\| ([A-Z]) \| \*\*([^*]+)\*\*", GUIDE, flags=re.MULTILINE)
    names = {"defect": REVIEWING.defect, "alarm": REVIEWING.alarm, "teach": REVIEWING.teach, "skip": REVIEWING.skip,
             "back": REVIEWING.back, "undo": REVIEWING.undo}  # fmt: skip
    assert dict(rows) == {REVIEWING.keys[deed]: name for deed, name in names.items()}


def test_every_state_of_a_bank_is_told() -> None:
    told = set(re.findall(r"^\| \*\*([^*.]+)\*\* \|", GUIDE, flags=re.MULTILINE))
    assert told == set(BANKS.states.values()) - {BANKS.states["loading"]}


def test_the_photographs_a_rate_needs_are_those_a_build_asks_for() -> None:
    rows = re.findall(r"^\| ([\d.]+) % \| (\d+) \|$", GUIDE, flags=re.MULTILINE)
    assert len(rows) >= 5
    for rate, images in rows:
        assert int(images) == images_needed(float(rate) / 100), rate
