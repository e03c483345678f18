"""Alembic's environment and revisions; run only by app/store/migrate.py."""
