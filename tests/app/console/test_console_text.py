"""The console's words are only in its files words.py, in frozen tables."""

from __future__ import annotations

import ast
import dataclasses
import importlib
import pkgutil
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import app.console

ROOT = Path(app.console.__file__).parent
FILES = [path for path in sorted(ROOT.rglob("*.py")) if path.name != "words.py"]
SHOWING = {
    "label", "button", "notify", "input", "number", "select", "tooltip", "link", "checkbox", "switch", "textarea",
    "markdown", "html", "tab", "menu_item", "radio", "toggle", "badge", "chip", "expansion", "upload", "item_label",
    "primary", "secondary", "danger", "icon_button", "histogram", "empty_state", "page_header", "section", "figure",
    "dialog", "confirm", "say", "complain", "set_text", "page", "text", "table", "form", "untaught", "fact",
    "number_field",
}  # fmt: skip
NAMED = {"text", "label", "placeholder", "title", "hint", "message", "suffix", "prefix", "caption"}
NO_TEXT = {"icon", "color", "on_click", "value"}
WORDS = re.compile(r"[A-Za-z]{2,}")
ATTRIBUTE = re.compile(r"(?:label|placeholder|hint|title|alt|aria-label|suffix|prefix)=[\"']?[A-Za-z]")


def literals(source: str) -> Iterator[tuple[int, str]]:
    """(line, literal) of every text that a call would show."""
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.Call):
            continue
        name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        shown = [*node.args[: 1 if name != "empty_state" else 3]] if name in SHOWING else []
        if name == "icon_button":
            shown = [*node.args[2:3]]
        if name == "table":
            shown = [*node.args]
        if name in ("primary", "secondary", "danger", "confirm", "page", "form"):
            shown = [*node.args[1:4]]
        if name == "empty_state":
            shown = [*node.args[1:3]]
        if name == "untaught":
            shown = [*node.args[2:4]]
        shown += [word.value for word in node.keywords if word.arg in NAMED]
        for value in shown:
            if (found := literal(value)) and WORDS.search(found):
                yield node.lineno, found
        if name == "props":
            for value in node.args:
                if ATTRIBUTE.search(literal(value) or ""):
                    yield node.lineno, literal(value) or ""


def literal(node: ast.expr) -> str | None:
    """The text of a literal; of an f-string its own words."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if isinstance(node, ast.JoinedStr):
        return "".join(part.value if isinstance(part, ast.Constant) else "{}" for part in node.values)
    return None


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_no_module_shows_a_word_of_its_own(path: Path) -> None:
    assert list(literals(path.read_text())) == []


@pytest.mark.parametrize(
    "line",
    ["ui.label('Hello')", "ui.button(f'{n} images')", "primary(view, 'Save', act)", "ui.input(placeholder='Name')",
     "ui.icon('x').props('aria-label=\"Close\"')", "view.say('done now')",
     "text('Hello', tag='h2')", "table(NAME, 'Date')",
     "form(view, 'New key', TEXT.word, act)", "untaught(view, icon, 'Nothing', TEXT.hint)"],
)  # fmt: skip
def test_a_word_in_a_page_would_be_found(line: str) -> None:
    assert len(list(literals(line))) == 1


def test_every_table_of_words_is_frozen() -> None:
    modules = [module.name for module in pkgutil.walk_packages(app.console.__path__, "app.console.")]
    words = [name for name in modules if name.endswith(".words")]
    assert len(words) == len(list(ROOT.rglob("words.py")))
    for name in words:
        loaded = importlib.import_module(name)
        tables = [
            kind
            for kind in vars(loaded).values()
            if dataclasses.is_dataclass(kind) and isinstance(kind, type)
        ]
        assert tables, name
        for table in tables:
            assert table.__dataclass_params__.frozen, table  # type: ignore[attr-defined]


UNCLEAR = (
    "support a false-reject rate of 100 % or more",
    "then a build makes them a version",
    "Stands in addresses",
    "is not held up by it",
)
"""Of sentences that people had to read twice."""


@pytest.mark.parametrize("words", UNCLEAR)
def test_sentences_that_nobody_understood_do_not_come_back(words: str) -> None:
    found = [
        path
        for path in ROOT.rglob("*")
        if path.suffix in (".py", ".js", ".html") and words in path.read_text()
    ]
    assert found == []
