"""An installation by pyproject.toml and constraints.txt is whole: every import declared, every package pinned."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from importlib.metadata import packages_distributions, requires, version
from pathlib import Path

from dockerfile_parts import ROOT
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
EXTRAS = (
    "telemetry",
    "oidc",
    "mqtt",
    "opcua",
    "modbus",
)  # what the image and the wheelhouse install beside the plain requirements
OWN = {"app": "app", "core": "core", "models": "models", "nominal_client": "clients/python/nominal_client"}


def declared() -> list[Requirement]:
    further = [text for extra in EXTRAS for text in PROJECT["optional-dependencies"][extra]]
    return [Requirement(text) for text in (*PROJECT["dependencies"], *further)]


def pinned() -> dict[str, str]:
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").split()
    return {canonicalize_name(name): pin for name, _, pin in (line.partition("==") for line in lines)}


def needed() -> Iterator[str]:
    """Every package that an installation brings, by what the installed ones require."""
    waiting, seen = declared(), set[tuple[str, frozenset[str]]]()
    while waiting:
        each = waiting.pop()
        key = canonicalize_name(each.name), frozenset(each.extras)
        if key in seen:
            continue
        seen.add(key)
        yield key[0]
        for text in requires(each.name) or ():
            further = Requirement(text)
            marker = further.marker
            if marker is None or any(marker.evaluate({"extra": extra}) for extra in (*each.extras, "")):
                waiting.append(further)


def test_every_package_that_an_installation_brings_is_pinned() -> None:
    pins = pinned()
    assert {name for name in needed() if name not in pins} == set()


def test_the_pins_are_the_versions_that_the_tests_run_with() -> None:
    pins = pinned()
    found = {name: (pins[name], version(name)) for name in needed() if name in pins}
    assert {name: pair for name, pair in found.items() if pair[0] != pair[1].partition("+")[0]} == {}


def test_every_import_is_of_a_declared_package() -> None:
    names = {canonicalize_name(each.name) for each in declared()}
    distributions = packages_distributions()
    undeclared = {
        module
        for module in imported() - OWN.keys() - set(sys.stdlib_module_names)
        if not {canonicalize_name(each) for each in distributions.get(module, [])} & names
    }
    assert undeclared == set()


def imported() -> set[str]:
    """The top-level modules that the packages import."""
    found = set()
    for package in OWN.values():
        for file in (ROOT / package).rglob("*.py"):
            for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
                if isinstance(node, ast.Import):
                    found |= {alias.name.partition(".")[0] for alias in node.names}
                elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
                    found.add(node.module.partition(".")[0])
    return found


def test_the_image_takes_the_declared_requirements() -> None:
    script = ROOT / "docker/requirements.py"
    done = subprocess.run(
        [sys.executable, script, *EXTRAS], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert [Requirement(line) for line in done.stdout.splitlines()] == declared()


def test_the_extra_that_the_image_names_exists() -> None:
    extras = re.findall(r"requirements\.py ([\w ]+) >", (ROOT / "Dockerfile").read_text(encoding="utf-8"))
    assert [names.split() for names in extras] == [[*EXTRAS]]
    assert Path(ROOT / "docker/requirements.py").exists()
