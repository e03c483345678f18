"""Nominal and its peers side by side, each in a process and an environment of its own: ``make bench-peers``."""
