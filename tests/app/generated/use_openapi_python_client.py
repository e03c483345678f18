"""A program of somebody who generated a client with openapi-python-client: from an empty server to a review.

Prints what it found as JSON. Arguments: the server's URL, a folder of good images, a flawed image.
"""

from __future__ import annotations

import json
import sys
import time
from io import BytesIO
from pathlib import Path

from nominal_openapi_python_client import Client, models
from nominal_openapi_python_client.api.banks import create_bank, get_bank
from nominal_openapi_python_client.api.builds import get_job, start_build
from nominal_openapi_python_client.api.images import upload_images
from nominal_openapi_python_client.api.inspection import inspect_batch, inspect_image
from nominal_openapi_python_client.api.inspections import (
    get_inspection_overlay,
    list_inspections,
    review_inspection,
)
from nominal_openapi_python_client.types import File

url, good, flawed = sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3])
BANK = "openapi-python-client"


def file(path: Path) -> File:
    return File(payload=BytesIO(path.read_bytes()), file_name=path.name)


with Client(base_url=url, raise_on_unexpected_status=True) as client:
    config = models.ConfigChange(
        input_=models.InputSettings(size=64), coreset_ratio=0.2, target_false_reject=0.1
    )
    create_bank.sync(client=client, body=models.BankCreate(id=BANK, title="Bottle caps", config=config))
    paths = sorted(good.iterdir())
    form = models.UploadForm(file=[file(path) for path in paths])
    uploaded = upload_images.sync(BANK, client=client, body=form)

    job = start_build.sync(BANK, client=client)
    while job.state in ("queued", "running"):
        time.sleep(0.1)
        job = get_job.sync(job.id, client=client)

    found = inspect_image.sync(
        BANK, client=client, body=models.InspectionForm(image=file(flawed), serial="S-1")
    )
    words = File(payload=BytesIO(b"words"), file_name="notes.txt")
    several = models.BatchForm(image=[file(flawed), file(paths[0]), words])
    batch = inspect_batch.sync(BANK, client=client, body=several)

    body = models.ReviewRequest(verdict=models.ReviewRequestVerdict.CONFIRMED_DEFECT)
    review = review_inspection.sync(found.id, client=client, body=body)
    (listed,) = list_inspections.sync(client=client, bank=BANK, serial="S-1").items
    overlay = get_inspection_overlay.sync_detailed(found.id, client=client).content
    refused = get_bank.sync("absent", client=client)

print(
    json.dumps(
        {
            "uploaded": [uploaded.accepted, uploaded.rejected],
            "built": [job.state, job.version],
            "inspected": [found.name, found.decision, found.serial],
            "batch": [(item.name, item.inspection and item.inspection.decision) for item in batch.items],
            "problem": batch.items[-1].problem["type"],
            "reviewed": [review.revision, review.verdict, listed.verdict],
            "overlay": overlay[:4].hex(),
            "refused": refused.type_,
        }
    )
)
