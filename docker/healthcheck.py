"""Exit status 0 while the server in this container is ready (GET /readyz, which needs no key), else 1."""

import http.client
import os
import ssl
import sys

ANYWHERE = {"0.0.0.0": "127.0.0.1", "::": "::1"}

host = os.environ.get("NOMINAL_HOST") or "127.0.0.1"
port = int(os.environ.get("NOMINAL_PORT") or 8000)
try:
    at = ANYWHERE.get(host, host)
    if os.environ.get("NOMINAL_TLS_CERT"):  # of this machine: whose name it has does not matter
        here = ssl._create_unverified_context()
        connection = http.client.HTTPSConnection(at, port, timeout=4, context=here)
    else:
        connection = http.client.HTTPConnection(at, port, timeout=4)
    connection.request("GET", "/readyz")
    answer = connection.getresponse()
    said = f"{answer.status} {answer.read(200).decode(errors='replace')}"
    ready = answer.status == 200
except (OSError, http.client.HTTPException) as error:
    said, ready = f"{type(error).__name__}: {error}", False
print(said)
sys.exit(0 if ready else 1)
