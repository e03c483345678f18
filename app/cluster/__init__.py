"""Processes on other machines, by Ray: the only importer of it."""
