"""Debian's nginx on loopback, with a location that a page of docs/ gives."""

from __future__ import annotations

import signal
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.error import HTTPError, URLError

from services.processes import free_port, running

CONFIG = """
daemon off; master_process off; pid {folder}/pid; error_log {folder}/error.log;
events {{}}
http {{
    access_log off; client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/f; uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;
    {site}
}}
"""
SERVER = """
    map $http_upgrade $connection_upgrade {{ default upgrade; '' close; }}
    server {{ listen 127.0.0.1:{port}; {locations} }}
"""


@contextmanager
def nginx(program: str, folder: Path, locations: str) -> Iterator[str]:
    """The address of a proxy with these locations, until the block ends."""
    port = free_port()
    with nginx_of(program, folder, port, SERVER.format(port=port, locations=locations)) as url:
        yield url


@contextmanager
def nginx_of(program: str, folder: Path, port: int, site: str) -> Iterator[str]:
    """The address of a proxy with this part of ``http``, which listens on the port, until the block ends."""
    config = folder / "nginx.conf"
    config.write_text(CONFIG.format(folder=folder, site=site))
    url = f"http://127.0.0.1:{port}"
    command = [program, "-e", str(folder / "error.log"), "-p", str(folder), "-c", str(config)]
    with running(command, lambda: _answers(url), signal.SIGTERM):
        yield url


def _answers(url: str) -> bool:
    try:
        urllib.request.urlopen(url, timeout=2).close()
    except HTTPError as error:
        error.close()
        return True
    except (URLError, TimeoutError):
        return False
    return True
