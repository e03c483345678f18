"""Metrics: counted where things happen, one registry an application, and every name shown exists."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped]
from fastapi import APIRouter, FastAPI
from prometheus_client.parser import text_string_to_metric_families
from starlette.testclient import TestClient

from app.errors import QueueFull
from app.http.middleware import Observe
from app.http.problems import install
from app.inspection.batcher import Batcher
from app.ops.observed import Metrics, Observed
from app.store.errors import NotFound

ROOT = Path(__file__).parents[3]
SAID = {"requirement": "a must be b", "received": "c", "remedy": "Do d."}


@pytest.fixture
def metrics() -> Metrics:
    return Metrics()


def samples(metrics: Metrics) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    families = text_string_to_metric_families(metrics.render()[0].decode())
    return {(s.name, tuple(sorted(s.labels.items()))): s.value for family in families for s in family.samples}


def value(metrics: Metrics, name: str, **labels: str) -> float | None:
    return samples(metrics).get((f"nominal_{name}", tuple(sorted(labels.items()))))


# What is counted


def test_a_batch_gives_queue_and_compute_seconds_apart_and_its_size(metrics: Metrics) -> None:
    metrics.batch_computed(("caps", 3), [0.25, 0.5], 1.0)
    assert value(metrics, "queue_seconds_sum", bank="caps") == 0.75
    assert value(metrics, "queue_seconds_count", bank="caps") == 2
    assert value(metrics, "compute_seconds_sum", bank="caps") == 1.0
    assert value(metrics, "batch_size_sum", bank="caps") == 2


def test_refusals_are_counted_by_bank_and_problem_type(metrics: Metrics) -> None:
    metrics.batch_refused(("caps", 1), QueueFull(**SAID, retry_after=1))
    assert value(metrics, "refusals_total", bank="caps", type="queue-full") == 1


def test_decisions_and_builds_are_counted_by_bank(metrics: Metrics) -> None:
    metrics.inspected("caps", "reject")
    metrics.build_ended("caps", "succeeded", 90.0)
    assert value(metrics, "inspections_total", bank="caps", decision="reject") == 1
    assert value(metrics, "build_seconds_sum", bank="caps", state="succeeded") == 90.0


def test_banks_that_leave_the_memory_leave_the_metric(metrics: Metrics) -> None:
    metrics.set_bank_bytes({"caps": 5, "nuts": 7})
    metrics.set_bank_bytes({"nuts": 8})
    assert value(metrics, "bank_bytes", bank="nuts") == 8
    assert value(metrics, "bank_bytes", bank="caps") is None


def test_a_deleted_bank_is_forgotten_and_the_others_stay(metrics: Metrics) -> None:
    for bank in ("caps", "nuts"):
        metrics.batch_computed((bank, 1), [0.1], 0.1)
        metrics.batch_refused((bank, 1), QueueFull(**SAID, retry_after=1))
        metrics.inspected(bank, "accept")
        metrics.build_ended(bank, "failed", 1)
    metrics.set_bank_bytes({"caps": 1, "nuts": 1})
    metrics.forget("caps")
    banks = {dict(labels).get("bank") for _, labels in samples(metrics)}
    assert banks == {None, "nuts"}


def test_a_gauge_asks_whoever_knows(metrics: Metrics) -> None:
    waiting = [1, 2, 3]
    metrics.queue_length.set_function(lambda: len(waiting))
    waiting.pop()
    assert value(metrics, "queue_length") == 2


def test_two_applications_do_not_mix() -> None:
    first, second = Metrics(), Metrics()
    first.inspected("caps", "accept")
    assert value(second, "inspections_total", bank="caps", decision="accept") is None


def test_the_batcher_takes_the_metrics_as_its_observer(metrics: Metrics) -> None:
    batcher: Batcher[tuple[str, int], int, int] = Batcher(lambda key, items: items, observer=metrics)
    assert batcher.load().queued == 0  # mypy checks the rest


@pytest.mark.parametrize("accept", ["", "*/*", "application/openmetrics-text; version=1.0.0", "garbage;;"])
def test_every_accept_header_gets_a_form_it_can_read(metrics: Metrics, accept: str) -> None:
    text, media_type = metrics.render(accept)
    assert ("openmetrics" in media_type) == ("openmetrics" in accept)
    assert b"nominal_ready" in text


# Requests


@pytest.fixture
def client(metrics: Metrics) -> TestClient:
    api, router = FastAPI(), APIRouter(prefix="/v1")
    install(api)

    @router.get("/banks/{bank}")
    def read(bank: str) -> str:
        assert value(metrics, "requests_in_flight") == 1
        return bank

    @router.delete("/banks/{bank}")
    def delete(bank: str) -> None:
        raise NotFound(**SAID)

    api.include_router(router)
    return TestClient(Observe(api, Observed(metrics), clock=iter([1.0, 1.5] * 9).__next__))


def test_requests_are_counted_by_route_template_not_by_path(client: TestClient, metrics: Metrics) -> None:
    for bank in ("caps", "nuts"):
        client.get(f"/v1/banks/{bank}")
    labels = {"method": "GET", "route": "/v1/banks/{bank}"}
    assert value(metrics, "requests_total", status="200", **labels) == 2
    assert value(metrics, "request_seconds_sum", **labels) == 1.0
    assert value(metrics, "requests_in_flight") == 0
    assert "caps" not in metrics.render()[0].decode()


def test_errors_are_counted_by_problem_type_and_unknown_paths_together(
    client: TestClient, metrics: Metrics
) -> None:
    client.delete("/v1/banks/caps")
    client.get("/wp-admin")
    client.get("/.env")
    client.request("BREW", "/v1/banks/caps")
    assert value(metrics, "problems_total", type="not-found") == 1
    assert value(metrics, "problems_total", type="no-such-path") == 2
    assert value(metrics, "requests_total", method="GET", route="unmatched", status="404") == 2
    assert value(metrics, "requests_total", method="other", route="/v1/banks/{bank}", status="405") == 1


def test_a_request_whose_client_left_unanswered_is_counted_so(metrics: Metrics) -> None:
    async def gone(scope: Any, receive: Any, send: Any) -> None:
        raise RuntimeError

    with pytest.raises(RuntimeError):
        TestClient(Observe(gone, Observed(metrics))).get("/")
    assert value(metrics, "requests_total", method="GET", route="unmatched", status="499") == 1


# What shows them


def families(metrics: Metrics) -> dict[str, tuple[str, list[str], str]]:
    """name -> (kind, labels, help) of everything named nominal_*."""
    found = {}
    for collector in vars(metrics).values():
        if hasattr(collector, "_labelnames"):
            (family,) = collector.collect() or collector.describe()
            found[family.name] = (family.type, list(collector._labelnames), family.documentation)
    return found


def test_the_docs_list_every_metric_with_kind_labels_and_meaning(metrics: Metrics) -> None:
    rows = re.findall(
        r"^\| `(\w+)` \| (\w+) \| (.*?) ?\| (.*) \|$", (ROOT / "docs/metrics.md").read_text(), re.M
    )
    told = {
        name: (kind, [] if labels in ("", "as given") else labels.split(", "), meaning)
        for name, kind, labels, meaning in rows
    }
    made = families(metrics)
    made["nominal_build_info"] = made.pop("nominal_build")
    assert told == made


def test_dashboard_and_alerts_use_only_metrics_and_labels_that_exist(metrics: Metrics) -> None:
    dashboard = json.loads((ROOT / "docker/grafana/nominal.json").read_text())
    alerts = yaml.safe_load((ROOT / "docker/alerts.yml").read_text())
    queries = [target["expr"] for panel in dashboard["panels"] for target in panel["targets"]]
    queries += [rule["expr"] for group in alerts["groups"] for rule in group["rules"]]
    made = families(metrics)
    suffixes = {
        "counter": ["_total"],
        "histogram": ["_bucket", "_sum", "_count"],
        "gauge": [""],
        "info": ["_info"],
    }
    series = {name + suffix: labels for name, (kind, labels, _) in made.items() for suffix in suffixes[kind]}
    used = {name for query in queries for name in re.findall(r"\bnominal_\w+", query)}
    assert used <= set(series)
    assert used >= {"nominal_ready", "nominal_inspections_total", "nominal_queue_seconds_bucket"}
    for query in queries:
        known = {"le", "job"} | {
            label for name, labels in series.items() if name in query for label in labels
        }
        asked = set(re.findall(r"(\w+)(?:=~|!~|!=|=)\"", query))
        asked |= {label.strip() for group in re.findall(r"by \((.*?)\)", query) for label in group.split(",")}
        assert asked <= known, query


def test_prometheus_scrapes_the_service_and_loads_the_alerts() -> None:
    config = yaml.safe_load((ROOT / "docker/prometheus.yml").read_text())
    (job,) = config["scrape_configs"]
    assert (job["job_name"], job["metrics_path"]) == ("nominal", "/metrics")
    assert all((ROOT / "docker" / name).is_file() for name in config["rule_files"])
