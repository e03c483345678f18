"""The durable store: rows in SQLite or PostgreSQL, bytes in a folder or S3. No HTTP, no engine."""
