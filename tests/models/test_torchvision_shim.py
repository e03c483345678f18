"""torchvision imports beside whatever torch is installed, and stays usable."""

from __future__ import annotations

import subprocess
import sys

import torch

from models.spec import ensure_torchvision


def test_fresh_process_imports_torchvision_and_timm_after_the_shim() -> None:
    code = (
        "from models.spec import ensure_torchvision as e; e(); e()\n"
        "import gc, torchvision, timm, torch; gc.collect()\n"
        "print(torch.ops.torchvision.nms.default._schema.name)"
    )
    done = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True)
    assert (done.stdout.strip(), done.returncode) == ("torchvision::nms", 0), done.stderr


def test_asking_again_declares_nothing_twice() -> None:
    ensure_torchvision()
    ensure_torchvision.cache_clear()
    ensure_torchvision()
    assert torch.ops.torchvision.nms.default is not None
