"""README, CONTRIBUTING, SECURITY and the guides name what there is: settings, commands, paths, alerts, links."""

from __future__ import annotations

import importlib
import pkgutil
import re
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml
from dockerfile_parts import ROOT

import app.cli
from app.main import create_app
from app.settings import ELSEWHERE, PREFIX, Settings, load_settings, table

OPERATIONS = ROOT / "docs/operations.md"
FRONT = tuple(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "SECURITY.md"))
PAGES = (OPERATIONS, ROOT / "docs/air-gapped.md", ROOT / "docs/operator.md", *FRONT)
DOCUMENTS = (*FRONT, *sorted((ROOT / "docs").glob("*.md")))
BY_FILE = {f"NOMINAL_{name}_FILE" for name in ("DATABASE_URL", "BLOB_KEY", "BLOB_SECRET", "CONSOLE_SECRET")}
every_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)


def row(name: str, default: str, meaning: str) -> str:
    """A setting's line; sizes in units too."""
    shown = "unset" if default == "unset" else f"`{default}`"
    if name.endswith("_BYTES"):
        unit = next(unit for unit in ("GiB", "MiB", "KiB") if int(default) >= UNITS[unit])
        shown += f" ({int(default) // UNITS[unit]} {unit})"
    return f"| `{name}` | {shown} | {meaning} |"


UNITS = {"GiB": 1 << 30, "MiB": 1 << 20, "KiB": 1 << 10}


def test_the_table_of_settings_is_that_of_the_code() -> None:
    text = OPERATIONS.read_text(encoding="utf-8")
    (between,) = re.findall(
        r"<!-- settings:start -->\n\n?(.*?)\n*<!-- settings:end -->", text, flags=re.DOTALL
    )
    assert between.splitlines()[2:] == [row(*setting) for setting in table()]


@every_page
def test_every_variable_that_a_page_names_exists(page: Path) -> None:
    known = {PREFIX + name.upper() for name in Settings.model_fields} | ELSEWHERE | BY_FILE
    named = set(re.findall(r"\bNOMINAL_[A-Z_]+[A-Z]\b(?!_\*)", page.read_text(encoding="utf-8")))
    assert named - {"NOMINAL_RETAIN"} <= known


def command_of(words: list[str]) -> Any:
    """The command that these words begin with, through its groups, or None."""
    for module in pkgutil.iter_modules(app.cli.__path__):
        if not module.name.startswith("_"):
            importlib.import_module(f"app.cli.{module.name}")
    command: Any = typer.main.get_command(app.cli.app)
    for word in words:
        if not hasattr(command, "commands"):
            break
        command = command.commands.get(word)
    return command


@every_page
def test_every_command_that_a_page_names_exists(page: Path) -> None:
    for line in re.findall(
        r"(?:`|\$ (?:\S+=\S+ )*|bin/|nominal )nominal ([a-z][^`\n#]*)", page.read_text("utf-8")
    ):
        command = command_of(line.split())
        assert command is not None, line
        options = {
            option for parameter in command.params for option in (*parameter.opts, *parameter.secondary_opts)
        }
        assert set(re.findall(r"(--[a-z-]+)", line)) <= options, line


@every_page
def test_every_path_that_a_page_names_is_served(page: Path, tmp_path: Path) -> None:
    document = create_app(load_settings({}, data_dir=tmp_path)).openapi()
    paths = {re.sub(r"\{\w+\}", "{}", path): set(methods) for path, methods in document["paths"].items()}
    text = page.read_text(encoding="utf-8")
    for method, path in re.findall(r"`(GET|POST|DELETE) (/[^ `?]+)", text):
        assert method.lower() in paths[re.sub(r"\{\w+\}", "{}", path)], path
    for path in re.findall(r"`(/(?:v1/|livez|readyz|health|metrics|version)[^ `?]*)", text):
        assert re.sub(r"\{\w+\}", "{}", path) in paths, path


@pytest.mark.parametrize("page", DOCUMENTS, ids=lambda page: page.name)
def test_every_link_leads_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(((?!https?:)[^)\s]+)\)", page.read_text(encoding="utf-8")):
        name, _, anchor = target.partition("#")
        file = page.parent / name if name else page
        assert file.exists(), target
        if anchor:
            headings = re.findall(r"^#+ (.+)$", file.read_text(encoding="utf-8"), flags=re.MULTILINE)
            anchors = {re.sub(r"[^\w -]", "", each.lower()).replace(" ", "-") for each in headings}
            assert anchor in anchors, target


def test_every_alert_says_what_to_look_at() -> None:
    (group,) = yaml.safe_load((ROOT / "docker/alerts.yml").read_text(encoding="utf-8"))["groups"]
    text = OPERATIONS.read_text(encoding="utf-8")
    assert {rule["alert"] for rule in group["rules"]} == set(re.findall(r"`(Nominal[A-Z]\w+)`", text))


@every_page
def test_every_target_of_make_that_a_page_names_exists(page: Path) -> None:
    targets = set(
        re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), flags=re.MULTILINE)
    )
    assert set(re.findall(r"(?:`|\$ )make ([a-z-]+)", page.read_text(encoding="utf-8"))) <= targets
