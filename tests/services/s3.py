"""S3 by moto's server on loopback, with one bucket; everything in it is gone when it stops."""

from __future__ import annotations

import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.error import URLError

import boto3
from processes import free_port, running

BUCKET = "nominal-test"
CREDENTIALS = {
    "AWS_ACCESS_KEY_ID": "testing",
    "AWS_SECRET_ACCESS_KEY": "testing",
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_EC2_METADATA_DISABLED": "true",
}


@contextmanager
def s3() -> Iterator[dict[str, str]]:
    """The environment that leads tests to an empty bucket."""
    port = free_port()
    endpoint = f"http://127.0.0.1:{port}"
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    with running(command, lambda: _answers(endpoint), signal.SIGTERM, stderr=subprocess.DEVNULL):
        client = boto3.client(
            "s3",
            endpoint_url=endpoint,
            aws_access_key_id="testing",
            aws_secret_access_key="testing",
            region_name="us-east-1",
        )
        client.create_bucket(Bucket=BUCKET)
        client.close()
        yield {
            "NOMINAL_TEST_BLOB_URL": f"s3://{BUCKET}",
            "NOMINAL_TEST_BLOB_ENDPOINT": endpoint,
            **CREDENTIALS,
        }


def _answers(endpoint: str) -> bool:
    try:
        urllib.request.urlopen(endpoint + "/moto-api/", timeout=2).close()
    except (URLError, OSError):
        return False
    return True
