"""The Dockerfile by hadolint, and by what hadolint cannot know: this repository, its .dockerignore, its settings."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from fnmatch import fnmatch
from pathlib import Path

import pytest
from dockerfile_parts import ROOT, instructions, of, replay

from app.settings import PREFIX, Settings

FINAL = 1  # the stage that becomes the image
TORCH_INDEX = os.environ.get("NOMINAL_TEST_TORCH_INDEX", "")


def program(name: str) -> str:
    """One that the development packages bring."""
    found = shutil.which(name, path=str(Path(sys.executable).parent)) or shutil.which(name)
    assert found, f"{name} is missing: install the extra 'dev'"
    return found


def test_hadolint_has_nothing_to_say() -> None:
    done = subprocess.run(
        [program("hadolint"), "--no-color", ROOT / "Dockerfile"], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout


def test_shellcheck_has_nothing_to_say() -> None:
    scripts = sorted((ROOT / "docker").glob("*.sh"))
    done = subprocess.run([program("shellcheck"), *scripts], capture_output=True, text=True)
    assert len(scripts) == 3
    assert done.returncode == 0, done.stdout


def test_every_base_is_pinned_to_a_version() -> None:
    (default,) = (each.text.partition("=")[2] for each in of("ARG", -1))
    assert re.fullmatch(r"python:3\.11-slim-[a-z]+", default)
    assert {each.text.split()[0] for each in of("FROM")} == {"${PYTHON_IMAGE}"}


def test_the_image_runs_as_a_fixed_user_other_than_root() -> None:
    users = [each.text for each in of("USER", FINAL)]
    assert users == ["10001:10001"]
    assert "--uid 10001" in " ".join(each.text for each in of("RUN", FINAL))


def test_what_runs_is_in_exec_form() -> None:
    for keyword in ("ENTRYPOINT", "CMD", "VOLUME"):
        (each,) = of(keyword)
        assert isinstance(json.loads(each.text), list)
    (check,) = of("HEALTHCHECK", FINAL)
    assert {"interval", "timeout", "start-period", "retries"} == check.flags.keys()
    assert isinstance(json.loads(check.text.removeprefix("CMD")), list)


def test_nominal_is_the_entrypoint_for_docker_exec_too() -> None:
    (entrypoint,) = of("ENTRYPOINT")
    (path,) = re.findall(r"\bPATH=(\S+)", " ".join(each.text for each in of("ENV", FINAL)))
    wrapper = next(each for each in of("COPY", FINAL) if "entrypoint.sh" in each.text)
    assert json.loads(entrypoint.text) == ["nominal"]
    assert wrapper.text.split()[-1] == path.split(":")[0] + "/nominal"
    assert wrapper.flags["chmod"] == "0555"


def test_it_is_stopped_by_the_signal_that_drains() -> None:
    assert [each.text for each in of("STOPSIGNAL", FINAL)] == ["SIGTERM"]


def test_nothing_is_added_from_elsewhere() -> None:
    assert not of("ADD")
    runs = " ".join(each.text for each in of("RUN"))
    assert not re.search(r"\b(curl|wget|apt-get|git)\b", runs)


def test_pip_keeps_no_cache_and_takes_pinned_versions() -> None:
    installs = [part for run in of("RUN") for part in re.findall(r"pip install[^&]*", run.text)]
    assert len(installs) == 3
    for each in installs:
        assert "--no-cache-dir" in each
        assert "-c constraints.txt" in each or "--no-deps ." in each


def test_the_final_image_holds_no_build_tools_of_its_own() -> None:
    copies = of("COPY", FINAL)
    assert [each.flags.get("from") for each in copies] == ["build", None, None]
    assert not any("pip" in each.text for each in of("RUN", FINAL))


def test_every_source_exists_and_reaches_the_builder() -> None:
    for each in (each for each in of("COPY") if "from" not in each.flags):
        for source in shlex.split(each.text)[:-1]:
            assert (ROOT / source).exists(), source
            assert not ignored(source), source


@pytest.mark.parametrize(
    "path",
    [
        ".git/config",
        "docker/secrets/nominal_keys",
        ".venv/bin/python",
        "build/a",
        "tests/a",
        "a.bank",
        "app/a/b.pyc",
    ],
)
def test_nothing_else_reaches_the_builder(path: str) -> None:
    assert ignored(path)


def ignored(path: str) -> bool:
    """By .dockerignore's rules: the last pattern that matches the path or a folder above it decides."""
    answer = False
    folders = [path, *map(str, Path(path).parents)]
    for line in (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines():
        pattern = line.strip().removeprefix("!").removeprefix("**/")
        if pattern and not pattern.startswith("#") and any(fnmatch(each, pattern) for each in folders):
            answer = not line.startswith("!")
    return answer


def test_every_setting_it_names_exists() -> None:
    text = " ".join(each.text for each in instructions())
    named = set(re.findall(r"\bNOMINAL_[A-Z_]+", text))
    assert "NOMINAL_HOST" in named
    assert named <= {PREFIX + name.upper() for name in Settings.model_fields}


def test_it_holds_no_secret() -> None:
    for each in (*of("ENV"), *of("ARG"), *of("LABEL")):
        assert not re.search(r"(?i)(password|secret|token|key)\w*=", each.text)


def test_labels_are_those_of_the_image_specification() -> None:
    (label,) = of("LABEL", FINAL)
    names = [word.partition("=")[0] for word in shlex.split(label.text)]
    assert {name.rpartition(".")[0] for name in names} == {"org.opencontainers.image"}
    assert {"title", "description", "licenses", "version", "revision"} == {
        name.rpartition(".")[2] for name in names
    }


@pytest.mark.skipif(
    not TORCH_INDEX, reason="installs all anew: NOMINAL_TEST_TORCH_INDEX names an index of torch"
)
def test_its_build_stage_makes_an_installation_that_runs(tmp_path: Path) -> None:
    made = replay(tmp_path, TORCH_INDEX=TORCH_INDEX)
    done = subprocess.run(
        [made / "bin/nominal", "doctor", "--json"], cwd="/", capture_output=True, check=True
    )
    assert json.loads(done.stdout)
