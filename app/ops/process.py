"""The end of a process whose work is done."""

from __future__ import annotations

import logging
import os
import sys
from typing import NoReturn


def leave(status: int = 0) -> NoReturn:
    """Exit now, with what was logged and printed; taking apart an interpreter with torch in it takes seconds.

    For after the store is closed and every answer sent: nothing registered to run at the exit runs.
    """
    logging.shutdown()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)
