"""The entrypoint: secrets from files, threads from the quota, and the server itself, confined as in a container."""

from __future__ import annotations

import http.client
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from container import ENTRYPOINT, USER, Container, Server, confinement, container, serving
from dockerfile_parts import ROOT

STOP_SECONDS = 60  # far above what it takes, for a machine that does much else
SHOW = '#!/bin/sh\nprintf "%s\\n" "$@"\nenv\n'


@pytest.fixture
def shown(tmp_path: Path) -> dict[str, str]:
    """An environment where `nominal` shows its arguments and its environment."""
    (tmp_path / "bin").mkdir()
    for name in ("nominal", "python"):
        (tmp_path / "bin" / name).write_text(SHOW)
        (tmp_path / "bin" / name).chmod(0o755)
    return {"PATH": f"{tmp_path}/bin:{os.environ['PATH']}", "CGROUP": str(tmp_path)}


def entrypoint(environment: dict[str, str], *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["sh", ENTRYPOINT, *words], env=environment, capture_output=True, text=True, check=False
    )


def test_it_becomes_nominal_with_its_arguments(shown: dict[str, str]) -> None:
    lines = entrypoint(shown, "keys", "create", "a name").stdout.splitlines()
    assert lines[:3] == ["keys", "create", "a name"]


SECRETS = ["NOMINAL_DATABASE_URL", "NOMINAL_BLOB_KEY", "NOMINAL_BLOB_SECRET", "NOMINAL_CONSOLE_SECRET"]


@pytest.mark.parametrize("name", SECRETS)
def test_a_secret_comes_from_the_file_that_its_variable_names(
    name: str, shown: dict[str, str], tmp_path: Path
) -> None:
    secret = tmp_path / "secret"
    secret.write_text("postgresql://u:p $x'\"@h/d\n")
    lines = entrypoint(shown | {f"{name}_FILE": str(secret)}).stdout.splitlines()
    assert f"{name}=postgresql://u:p $x'\"@h/d" in lines
    assert not any(line.startswith(f"{name}_FILE") for line in lines)


def test_an_empty_name_of_a_file_counts_as_none(shown: dict[str, str]) -> None:
    done = entrypoint(shown | {"NOMINAL_DATABASE_URL_FILE": "", "NOMINAL_BLOB_KEY": ""})
    assert done.returncode == 0
    assert "DATABASE_URL" not in done.stdout


def test_a_secret_given_twice_is_refused(shown: dict[str, str]) -> None:
    both = {"NOMINAL_BLOB_SECRET": "hidden", "NOMINAL_BLOB_SECRET_FILE": "/dev/null"}
    done = entrypoint(shown | both)
    assert done.returncode == 1
    assert "NOMINAL_BLOB_SECRET_FILE" in done.stderr
    assert "hidden" not in done.stderr


def test_a_secret_file_that_is_missing_is_named(shown: dict[str, str]) -> None:
    done = entrypoint(shown | {"NOMINAL_DATABASE_URL_FILE": "/nowhere/url"})
    assert done.returncode == 1
    assert "/nowhere/url" in done.stderr


@pytest.mark.parametrize(
    ("quota", "threads"), [("200000 100000", "2"), ("150000 100000", "2"), ("50000 100000", "1")]
)
def test_threads_follow_the_cpu_quota(
    quota: str, threads: str, shown: dict[str, str], tmp_path: Path
) -> None:
    (tmp_path / "cpu.max").write_text(f"{quota}\n")
    lines = entrypoint(shown).stdout.splitlines()
    assert f"NOMINAL_THREADS={threads}" in lines
    assert f"OMP_NUM_THREADS={threads}" in lines


def test_without_a_quota_or_with_threads_given_nothing_is_set(shown: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "cpu.max").write_text("max 100000\n")
    assert "THREADS" not in entrypoint(shown).stdout
    (tmp_path / "cpu.max").write_text("200000 100000\n")
    lines = entrypoint(shown | {"NOMINAL_THREADS": "7"}).stdout.splitlines()
    assert [line for line in lines if "THREADS" in line] == ["NOMINAL_THREADS=7"]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Container:
    """Writable places, and secrets as docker/secrets.sh makes them, in a folder others may enter as in a container."""
    folder = tmp_path_factory.mktemp("container")
    opened_up(folder, tmp_path_factory.getbasetemp())
    subprocess.run(["sh", ROOT / "docker/secrets.sh", folder / "secrets"], capture_output=True, check=True)
    return container(folder)


def opened_up(folder: Path, base: Path) -> None:
    """Let other users pass through pytest's own folders."""
    for each in (folder, *folder.parents):
        if each.is_relative_to(base):
            each.chmod(0o755)


@pytest.fixture(scope="module")
def server(place: Container) -> Iterator[Server]:
    keys = place.folder / "secrets/nominal_keys"
    with serving(place, NOMINAL_HOST="127.0.0.1", NOMINAL_PORT="0", NOMINAL_KEYS_FILE=str(keys)) as running:
        yield running


def get(server: Server, path: str, key: str | None = None) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
    try:
        connection.request("GET", path, headers={"Authorization": f"Bearer {key}"} if key else {})
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


def test_it_is_alive_and_ready(server: Server) -> None:
    assert get(server, "/livez")[0] == 200
    assert get(server, "/readyz")[0] == 200


def test_it_admits_the_key_of_the_secret_and_nobody_else(server: Server, place: Container) -> None:
    (line,) = (
        line
        for line in (place.folder / "secrets/nominal_keys").read_text().splitlines()
        if not line.startswith("#")
    )
    role, _, key = line.split()
    assert role == "admin"
    assert get(server, "/v1/banks")[0] == 401
    assert get(server, "/v1/banks", key)[0] == 200


def test_the_health_check_passes_while_it_is_ready(server: Server) -> None:
    done = check_health(server.port)
    assert done.returncode == 0, done.stdout


def check_health(port: int) -> subprocess.CompletedProcess[str]:
    environment = {"NOMINAL_HOST": "0.0.0.0", "NOMINAL_PORT": str(port), "http_proxy": "http://127.0.0.1:1"}
    script = ROOT / "docker/healthcheck.py"
    return subprocess.run(
        [sys.executable, "-I", script], env=environment, capture_output=True, text=True, check=False
    )


@pytest.mark.skipif(
    os.geteuid() != 0 or not Path("/proc").is_dir(), reason="only root on Linux can drop rights"
)
def test_it_runs_without_privileges(server: Server) -> None:
    assert confinement()
    status = Path(f"/proc/{server.child.pid}/status").read_text()
    fields = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
    assert set(fields["Uid"].split()) == {USER}
    assert fields["NoNewPrivs"] == "1"


def test_a_signal_to_stop_ends_it_with_status_zero(server: Server, place: Container) -> None:
    server.child.send_signal(signal.SIGTERM)
    assert server.wait(STOP_SECONDS) == 0
    assert check_health(server.port).returncode == 1
    assert (place.data / "nominal.db").exists()


def test_its_log_is_json_and_holds_no_key(server: Server, place: Container) -> None:
    secret = (place.folder / "secrets/nominal_keys").read_text().split("_")[-1].strip()
    logged = [json.loads(line) for line in server.lines if line.startswith("{")]
    assert all({"time", "level", "logger", "message"} <= each.keys() for each in logged)
    assert secret not in "".join(server.lines)


def test_without_keys_it_refuses_an_address_that_others_reach(tmp_path: Path) -> None:
    place = container(tmp_path)
    environment = place.environment(NOMINAL_HOST="0.0.0.0", NOMINAL_PORT="0", HOME="/tmp")
    done = entrypoint(environment, "serve")
    assert done.returncode == 1
    assert "key" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.skipif(
    not {"NOMINAL_TEST_DATABASE_URL", "NOMINAL_TEST_BLOB_URL"} <= os.environ.keys(),
    reason="needs PostgreSQL and S3: make test-services",
)
def test_it_serves_on_postgresql_and_s3_with_secrets_from_files(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    place = container(tmp_path_factory.mktemp("full"))
    opened_up(place.folder, tmp_path_factory.getbasetemp())
    given = {
        "database_url": os.environ["NOMINAL_TEST_DATABASE_URL"],
        "user": "testing",
        "password": "testing",
    }
    for name, secret in given.items():
        (place.folder / name).write_text(secret + "\n")
    with serving(
        place,
        NOMINAL_HOST="127.0.0.1",
        NOMINAL_PORT="0",
        NOMINAL_DATABASE_URL_FILE=f"{place.folder}/database_url",
        NOMINAL_BLOB_URL=os.environ["NOMINAL_TEST_BLOB_URL"],
        NOMINAL_BLOB_ENDPOINT=os.environ["NOMINAL_TEST_BLOB_ENDPOINT"],
        NOMINAL_BLOB_REGION="us-east-1",
        NOMINAL_BLOB_KEY_FILE=f"{place.folder}/user",
        NOMINAL_BLOB_SECRET_FILE=f"{place.folder}/password",
    ) as server:
        status, body = get(server, "/health")
    assert status == 200
    assert json.loads(body)["database"]["kind"] == "postgresql"
    assert not (place.data / "nominal.db").exists()
