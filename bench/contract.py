"""Does the service keep to its OpenAPI document, whatever is asked, by readers, inspectors and admins?

``python -m bench.contract`` starts ``nominal serve`` with keys and one of everything, and has schemathesis draw
requests from the document, by themselves and in sequences that go on with what earlier answers held, by a key of each
role in turn, for ``--minutes`` in all. It prints requests by role and status class, and exits with 1 for any answer
of 500, any that the document does not have, and a server that died.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import httpx

from bench.contract_hooks import IDS
from bench.line import AT_ONCE, Machine, built_bank, part
from bench.tables import table

ROLES = ("read", "inspect", "admin")
SLICE = 100.0  # seconds of one role at a time
CHECKS = (
    "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance,"
    "response_headers_conformance"
)
BANK, SIDE = "caps", 64
CONFIG = {"input": {"size": 64}, "coreset_ratio": 0.1, "target_false_reject": 0.2}
PNG = {"Content-Type": "image/png"}
ANSWERED = re.compile(r'^nominal_requests_total\{.*status="(\d)\d\d".*\} (\S+)$', re.MULTILINE)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument(
        "--seed", type=int, default=0, help="of the first part; each further one has the next"
    )
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="nominal-contract-") as folder:
        faults, rows = run(Path(folder), arguments.minutes * 60, arguments.seed)
    print(table(("role", "2xx", "3xx", "4xx", "5xx"), rows))
    print(f"faults: {len(faults)}", *faults, sep="\n")
    sys.exit(bool(faults))


def run(folder: Path, seconds: float, first_seed: int) -> tuple[list[str], list[list[str]]]:
    """What was wrong, and the requests of each role by status class."""
    end = time.monotonic() + seconds
    answers: dict[str, Counter[str]] = {role: Counter() for role in ROLES}
    faults: list[str] = []
    with Machine(folder, image_keep="all", **AT_ONCE) as server:
        with httpx.Client(base_url=server.url, timeout=120) as client:
            ids = furnish(client)
        for seed, role in zip(itertools.count(first_seed), itertools.cycle(ROLES), strict=False):
            left = end - time.monotonic()
            if left <= 0:
                break
            key = key_of(folder, role)
            before = answered(server.url, folder)
            faults += drawn(server.url, key, ids, min(SLICE, left), seed)
            if server.process.poll() is not None:
                return [*faults, f"the server died; its log ends:\n{server.tail(40)}"], rows_of(answers)
            answers[role] += answered(server.url, folder) - before
    faults += [f"{count['5']} answers of 5xx to {role}" for role, count in answers.items() if count["5"]]
    return faults, rows_of(answers)


def furnish(client: httpx.Client) -> dict[str, str]:
    """One of everything, by the name that paths give it."""
    built_bank(client, BANK, [part(i, SIDE) for i in range(24)], CONFIG)
    image = client.get(f"/v1/banks/{BANK}/images").json()["items"][0]["sha256"]
    job = client.get("/v1/jobs").json()["items"][0]["id"]
    flawed = client.post(f"/v1/banks/{BANK}/inspect", content=part(99, SIDE, flaw=True), headers=PNG).json()
    return {
        "bank": BANK,
        "version": "1",
        "sha256": image,
        "job": job,
        "inspection": flawed["id"],
        "slug": "queue-full",
    }


def key_of(folder: Path, role: str) -> str:
    """A new key, made as one is made on the server: what was drawn before may have revoked the last."""
    command = [sys.executable, "-m", "app.cli", "keys", "create", "contract", "--role", role]
    environment = os.environ | {"NOMINAL_DATA_DIR": str(folder)}
    said = subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout
    return said.split()[-1]


def answered(url: str, folder: Path) -> Counter[str]:
    """Requests so far by the first digit of their status."""
    key = key_of(folder, "read")
    text = httpx.get(f"{url}/metrics", headers={"X-API-Key": key}, timeout=60).raise_for_status().text
    found: Counter[str] = Counter()
    for digit, count in ANSWERED.findall(text):
        found[digit] += int(float(count))
    return found


def drawn(url: str, key: str, ids: dict[str, str], seconds: float, seed: int) -> list[str]:
    """Requests of one role for so long; what schemathesis found."""
    command = [
        sys.executable,
        "-m",
        "schemathesis.cli",
        "run",
        f"{url}/openapi.json",
        "-H",
        f"X-API-Key: {key}",
    ]
    command += ["--phases", "fuzzing,stateful", "--checks", CHECKS, "--max-time", f"{max(seconds, 1):.0f}"]
    command += ["--seed", str(seed), "--continue-on-failure", "--no-color", "--request-timeout", "60"]
    command += ["--generation-database", "none", "--suppress-health-check", "all", "--warnings", "off"]
    environment = os.environ | {"SCHEMATHESIS_HOOKS": "bench.contract_hooks", IDS: json.dumps(ids)}
    said = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=seconds + 300)
    print(f"seed {seed}: {said.stdout.strip().splitlines()[-1]}", flush=True)
    if said.returncode == 0:
        return []
    failures = said.stdout.partition(" FAILURES ")[2] or said.stdout
    return [f"seed {seed}: {(failures + said.stderr).strip()[:6000]}"]


def rows_of(answers: dict[str, Counter[str]]) -> list[list[str]]:
    return [[role, *(f"{count[digit]:,}" for digit in "2345")] for role, count in answers.items()]


if __name__ == "__main__":
    main()
