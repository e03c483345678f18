"""``python -m app.cli``: the same as ``nominal``."""

from app.cli import main

main()
