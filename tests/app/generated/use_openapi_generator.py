"""A program of somebody who generated a client with openapi-generator: from an empty server to a review.

Prints what it found as JSON. Arguments: the server's URL, a folder of good images, a flawed image.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

import nominal_openapi_generator as generated

url, good, flawed = sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3])
BANK = "openapi-generator"


def file(path: Path) -> tuple[str, bytes]:
    return path.name, path.read_bytes()


with generated.ApiClient(generated.Configuration(host=url)) as api:
    config = generated.ConfigChange(
        input=generated.InputSettings(size=64), coreset_ratio=0.2, target_false_reject=0.1
    )
    generated.BanksApi(api).create_bank(generated.BankCreate(id=BANK, title="Bottle caps", config=config))
    images = [file(path) for path in sorted(good.iterdir())]
    uploaded = generated.ImagesApi(api).upload_images(BANK, file=images)

    jobs = generated.BuildsApi(api)
    job = jobs.start_build(BANK)
    while job.state in ("queued", "running"):
        time.sleep(0.1)
        job = jobs.get_job(job.id)

    inspection = generated.InspectionApi(api)
    found = inspection.inspect_image(BANK, image=file(flawed), serial="S-1")
    batch = inspection.inspect_batch(BANK, image=[file(flawed), images[0], ("notes.txt", b"words")])

    ledger = generated.InspectionsApi(api)
    review = ledger.review_inspection(found.id, generated.ReviewRequest(verdict="confirmed_defect"))
    (listed,) = ledger.list_inspections(bank=BANK, serial="S-1").items
    overlay = ledger.get_inspection_overlay(found.id)
    try:
        generated.BanksApi(api).get_bank("absent")
    except generated.ApiException as error:
        refused = json.loads(error.body)["type"]

print(
    json.dumps(
        {
            "uploaded": [uploaded.accepted, uploaded.rejected],
            "built": [job.state, job.version],
            "inspected": [found.name, found.decision, found.serial],
            "batch": [(item.name, item.inspection and item.inspection.decision) for item in batch.items],
            "problem": batch.items[-1].problem["type"],
            "reviewed": [review.revision, review.verdict, listed.verdict],
            "overlay": bytes(overlay[:4]).hex(),
            "refused": refused,
        }
    )
)
