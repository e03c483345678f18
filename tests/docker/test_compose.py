"""docker/compose.yml by the schema of the Compose specification, and by the rules this project holds it to."""

from __future__ import annotations

import importlib.resources
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from dockerfile_parts import ROOT, of
from moto.server import ThreadedMotoServer

from app.settings import PREFIX, Settings

FOLDER = ROOT / "docker"
TEXT = (FOLDER / "compose.yml").read_text(encoding="utf-8")
COMPOSE = yaml.safe_load(TEXT)
SERVICES = COMPOSE["services"]
FULL = dict(
    line.split("=", 1)
    for line in (FOLDER / "full.env").read_text(encoding="utf-8").splitlines()
    if not line.startswith("#")
)
SERVERS = (FOLDER / "servers.yml").read_text(encoding="utf-8")
MORE = yaml.safe_load(SERVERS)["services"]
every_service = pytest.mark.parametrize("name", SERVICES)


def resolved(values: dict[str, str]) -> dict[str, Any]:
    """The file with ${NAME:-default} filled in, as Compose does it."""
    return filled_in(TEXT, values)


def filled_in(text: str, values: dict[str, str]) -> dict[str, Any]:
    filled = re.sub(r"\$\{(\w+):-([^}]*)\}", lambda match: values.get(match[1]) or match[2], text)
    assert "${" not in filled
    return dict(yaml.safe_load(filled))


@pytest.mark.parametrize("values", [{}, FULL], ids=["alone", "full"])
def test_it_is_valid_by_the_specification_s_schema(values: dict[str, str]) -> None:
    schema = importlib.resources.files("check_jsonschema") / "builtin_schemas/vendor/compose-spec.json"
    jsonschema.validate(resolved(values), json.loads(schema.read_text()))


def test_two_servers_behind_a_balancer_are_valid_and_like_the_one() -> None:
    schema = importlib.resources.files("check_jsonschema") / "builtin_schemas/vendor/compose-spec.json"
    jsonschema.validate(filled_in(SERVERS, FULL), json.loads(schema.read_text()))
    one, two = SERVICES["nominal"], MORE["nominal-2"]
    own = {"build", "ports", "volumes", "depends_on", "environment"}
    assert {key: two[key] for key in two.keys() - own} == {key: one[key] for key in one.keys() - own}
    assert one["environment"] | MORE["nominal"]["environment"] == two["environment"]
    assert two["volumes"] == ["data-2:/data"]
    balancer = filled_in(SERVERS, {})["services"]["balancer"]
    assert balancer["ports"] == ["127.0.0.1:8080:8080"]
    assert re.fullmatch(r"[a-z/-]+:[\w.-]*\d[\w.-]*", balancer["image"])
    for key in ("read_only", "cap_drop", "security_opt", "logging"):
        assert balancer[key] == one[key]
    assert set(balancer["depends_on"]) == {"nominal", "nominal-2"}
    addresses = set(re.findall(r"server ([\w-]+):8000", (FOLDER / "nginx.conf").read_text(encoding="utf-8")))
    assert addresses == {"nominal", "nominal-2"}


def test_by_default_the_service_runs_alone() -> None:
    assert [name for name, service in SERVICES.items() if "profiles" not in service] == ["nominal"]


def test_the_profile_full_has_all_of_it() -> None:
    full = {name for name, service in SERVICES.items() if "full" in service.get("profiles", ["full"])}
    assert full == {"nominal", "postgres", "minio", "bucket", "prometheus", "grafana"} == set(SERVICES)
    assert FULL["COMPOSE_PROFILES"] == "full"


@every_service
def test_a_service_has_no_more_than_it_needs(name: str) -> None:
    service = SERVICES[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert not service.keys() & {"privileged", "cap_add", "network_mode", "pid", "ipc", "devices"}
    assert any(place.startswith("/tmp:size=") for place in service["tmpfs"])


@every_service
def test_a_service_has_limits_and_a_bounded_log(name: str) -> None:
    service = SERVICES[name]
    assert {"cpus", "memory", "pids"} <= service["deploy"]["resources"]["limits"].keys()
    assert {"max-size", "max-file"} == service["logging"]["options"].keys()


@every_service
def test_an_image_is_pinned_to_a_version(name: str) -> None:
    image = resolved({})["services"][name]["image"]
    assert re.fullmatch(r"[a-z/]+:[\w.-]*\d[\w.-]*|nominal:local", image), image


@every_service
def test_what_runs_on_is_watched_and_what_ends_is_not(name: str) -> None:
    service = SERVICES[name]
    if name == "bucket":
        assert service["healthcheck"] == {"disable": True}
    elif name == "nominal":
        assert of("HEALTHCHECK")  # the image's own
    else:
        assert service["healthcheck"]["test"][0] == "CMD"


@every_service
def test_what_a_service_refers_to_is_there(name: str) -> None:
    service = SERVICES[name]
    assert set(service.get("secrets", [])) <= COMPOSE["secrets"].keys()
    assert set(service["networks"]) <= COMPOSE["networks"].keys()
    assert set(service.get("depends_on", {})) <= SERVICES.keys()
    for volume in service.get("volumes", []):
        source = volume.split(":")[0]
        assert (FOLDER / source).exists() if source.startswith(".") else source in COMPOSE["volumes"], volume


def test_what_is_waited_for_in_another_profile_is_not_required() -> None:
    assert {wait["required"] for wait in SERVICES["nominal"]["depends_on"].values()} == {False}


def test_ports_are_published_on_loopback_unless_said_otherwise() -> None:
    published = {
        name: service["ports"] for name, service in resolved({})["services"].items() if "ports" in service
    }
    assert published == {"nominal": ["127.0.0.1:8000:8000"], "grafana": ["127.0.0.1:3000:3000"]}


def test_database_and_blobs_are_in_a_network_without_a_way_out() -> None:
    assert COMPOSE["networks"]["store"] == {"internal": True}
    assert [SERVICES[name]["networks"] for name in ("postgres", "minio", "bucket")] == [["store"]] * 3


def test_no_secret_stands_in_the_file() -> None:
    for service in SERVICES.values():
        for variable, value in service.get("environment", {}).items():
            if re.search("PASSWORD|SECRET|KEY|TOKEN", variable):
                assert variable.endswith("_FILE"), variable
                assert re.fullmatch(r"/run/secrets/\w+|\$\{\w+:-\}", value), variable


def test_each_file_of_a_secret_is_a_secret_of_its_service() -> None:
    for service in resolved(FULL)["services"].values():
        for value in map(str, service.get("environment", {}).values()):
            if value.startswith("/run/secrets/"):
                assert value.removeprefix("/run/secrets/") in service["secrets"]


def test_every_setting_it_names_exists() -> None:
    known = {PREFIX + name.upper() for name in Settings.model_fields}
    by_file = {f"NOMINAL_{name}_FILE" for name in ("DATABASE_URL", "BLOB_KEY", "BLOB_SECRET")}
    assert set(re.findall(r"\bNOMINAL_[A-Z_]+(?=:)", TEXT)) <= known | by_file


def test_every_variable_of_full_env_is_one_of_the_file() -> None:
    assert FULL.keys() - {"COMPOSE_PROFILES"} <= set(re.findall(r"\$\{(\w+)", TEXT))


def test_it_waits_longer_than_the_server_drains() -> None:
    grace, drain = (SERVICES["nominal"][name] for name in ("stop_grace_period", "environment"))
    assert int(grace.removesuffix("s")) > 2 * int(drain["NOMINAL_DRAIN_SECONDS"])


def test_secrets_are_made_once_and_each_secret_has_its_file(tmp_path: Path) -> None:
    def made() -> dict[str, str]:
        subprocess.run(["sh", FOLDER / "secrets.sh", tmp_path / "s"], capture_output=True, check=True)
        return {file.name: file.read_text() for file in (tmp_path / "s").iterdir()}

    first = made()
    assert first.keys() == {Path(secret["file"]).name for secret in COMPOSE["secrets"].values()}
    assert made() == first
    assert (tmp_path / "s").stat().st_mode & 0o777 == 0o700
    assert first["postgres_password"].strip() in first["database_url"]


def test_grafana_s_files_fit_together() -> None:
    places = dict(volume.split(":")[:2] for volume in SERVICES["grafana"]["volumes"])
    (provider,) = yaml.safe_load((FOLDER / "grafana/provisioning/dashboards/nominal.yml").read_text())[
        "providers"
    ]
    assert places["./grafana/nominal.json"] == provider["options"]["path"] + "/nominal.json"
    (source,) = yaml.safe_load((FOLDER / "grafana/provisioning/datasources/prometheus.yml").read_text())[
        "datasources"
    ]
    assert source["type"] == "prometheus"
    assert source["url"] == "http://prometheus:9090"


def test_prometheus_asks_the_service_by_its_name_and_port() -> None:
    (job,) = yaml.safe_load((FOLDER / "prometheus.yml").read_text())["scrape_configs"]
    (port,) = (each.text for each in of("EXPOSE"))
    assert job["static_configs"] == [{"targets": [f"nominal:{port}"]}]


@pytest.fixture
def s3() -> Iterator[str]:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


def test_the_bucket_is_created_once(s3: str, tmp_path: Path) -> None:
    for name in ("key", "secret"):
        (tmp_path / name).write_text("testing\n")
    environment = {
        "NOMINAL_BLOB_URL": FULL["BLOB_URL"],
        "NOMINAL_BLOB_ENDPOINT": s3,
        "NOMINAL_BLOB_REGION": FULL["BLOB_REGION"],
        "NOMINAL_BLOB_KEY_FILE": str(tmp_path / "key"),
        "NOMINAL_BLOB_SECRET_FILE": str(tmp_path / "secret"),
    }

    def create() -> str:
        script = FOLDER / "create_bucket.py"
        return subprocess.run(
            [sys.executable, script], env=environment, capture_output=True, text=True, check=True
        ).stdout

    assert create() == "Created the bucket nominal.\n"
    assert create() == "The bucket nominal exists.\n"
