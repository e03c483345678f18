"""Run the migrations on the connection and in the transaction that app/store/migrate.py opened."""

from alembic import context

from app.store.migrate import VERSION_TABLE
from app.store.schema import Base

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=Base.metadata,
    version_table=VERSION_TABLE,
    render_as_batch=True,
)
context.run_migrations()
