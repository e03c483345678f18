"""The table of a bank's settings in docs/api.md is that of their declaration."""

from __future__ import annotations

from bench.settings import GUIDE, bank_settings


def test_the_table_of_bank_settings_is_current() -> None:
    section = GUIDE.read_text(encoding="utf-8").split("<!-- bank-settings:start -->\n")[1]
    assert section.split("\n<!-- bank-settings:end -->")[0] == bank_settings(), "run python -m bench.settings"
