"""The table of a bank's settings in docs/api.md, from their declaration: ``python -m bench.settings``."""

from __future__ import annotations

import json

from bench.tables import DOCS, replace_section, table
from core.config import DetectorConfig
from core.declared import Setting, all_settings, parts

GUIDE = DOCS / "api.md"
HEAD = ("over HTTP", "command line", "default", "meaning")


def bank_settings() -> str:
    """One row a setting, in the order of the config."""
    return table(HEAD, [_row(setting) for setting in all_settings(DetectorConfig)])


def _row(setting: Setting) -> tuple[str, ...]:
    option = f"`{_option(setting)}`" if _option(setting) else ""
    return f"`{setting.key}`", option, f"`{json.dumps(setting.default).strip(chr(34))}`", setting.help


def _option(setting: Setting) -> str:
    """``--size``, or ``--augment rotation=`` of a part that one option sets."""
    whole = parts(DetectorConfig)[setting.part].option if setting.part else ""
    if not whole:
        return setting.option
    return f"{whole} {setting.name.replace('_', '-')}{'' if setting.type is bool else '='}"


if __name__ == "__main__":
    replace_section("bank-settings", bank_settings(), GUIDE)
