"""Creates the bucket of NOMINAL_BLOB_URL where it is missing; one that is there stays as it is."""

import os
import sys
from pathlib import Path

import botocore.session
from botocore.exceptions import ClientError

PLAIN = "us-east-1"  # the region that a request to create a bucket must not name


def setting(name: str) -> str | None:
    """NOMINAL_BLOB_<name>, or what the file NOMINAL_BLOB_<name>_FILE holds."""
    file = os.environ.get(f"NOMINAL_BLOB_{name}_FILE")
    return Path(file).read_text().strip() if file else os.environ.get(f"NOMINAL_BLOB_{name}") or None


url = setting("URL") or ""
if not url.startswith("s3://"):
    sys.exit(f"NOMINAL_BLOB_URL must read s3://bucket; received {url!r}.")
bucket, region = url.removeprefix("s3://").split("/")[0], setting("REGION") or PLAIN
client = botocore.session.get_session().create_client(
    "s3",
    region_name=region,
    endpoint_url=setting("ENDPOINT"),
    aws_access_key_id=setting("KEY"),
    aws_secret_access_key=setting("SECRET"),
)
try:
    client.head_bucket(Bucket=bucket)
    print(f"The bucket {bucket} exists.")
except ClientError as error:
    if error.response["ResponseMetadata"]["HTTPStatusCode"] != 404:
        raise
    place = {} if region == PLAIN else {"CreateBucketConfiguration": {"LocationConstraint": region}}
    client.create_bucket(Bucket=bucket, **place)
    print(f"Created the bucket {bucket}.")
