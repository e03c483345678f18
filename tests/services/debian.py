"""Debian's packages, where a test needs a program that Python's packages do not bring."""

from __future__ import annotations

import os
import shutil
import subprocess


def install(*packages: str) -> None:
    """From Debian's archive; where the lists of packages are absent or out of date, they are fetched first."""
    apt = ["apt-get", "-q", "-o", "Acquire::Retries=3", "-o", "DPkg::Lock::Timeout=120"]
    environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    command = [*apt, "install", "-y", "--no-install-recommends", *packages]
    if subprocess.run(command, env=environment, check=False).returncode != 0:
        subprocess.run([*apt, "update"], env=environment, check=True)
        subprocess.run(command, env=environment, check=True)


def find(program: str) -> str | None:
    """A program, where it is installed: Debian keeps some out of people's PATH."""
    return shutil.which(program) or shutil.which(program, path="/usr/sbin:/usr/local/sbin")


def find_nginx() -> str | None:
    """A proxy to test behind."""
    return find("nginx")
