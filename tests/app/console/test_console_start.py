"""What the console costs those who do not use it: nothing."""

from __future__ import annotations

import subprocess
import sys


def test_commands_do_not_import_nicegui() -> None:
    code = "import sys, app.cli, app.cli.serve; print('nicegui' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
