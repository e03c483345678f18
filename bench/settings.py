"""The table of a bank's settings in docs/api.md, from their declaration: ``python -m bench.settings``."""

from __future__ import annotations

import json

from bench.tables import DOCS, replace_section, table
from core.config import DetectorConfig
from core.declared import Setting, all_settings

GUIDE = DOCS / "api.md"
HEAD = ("over HTTP", "command line", "default", "meaning")


def bank_settings() -> str:
    """One row a setting, in the order of the config."""
    return table(HEAD, [_row(setting) for setting in all_settings(DetectorConfig)])


def _row(setting: Setting) -> tuple[str, ...]:
    option = f"`{setting.option}`" if setting.option else ""
    return f"`{setting.key}`", option, f"`{json.dumps(setting.default).strip(chr(34))}`", setting.help


if __name__ == "__main__":
    replace_section("bank-settings", bank_settings(), GUIDE)
