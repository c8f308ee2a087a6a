"""What survives a restart: connections, credentials, numbers, keys, calls. SQLAlchemy 2, SQLite or PostgreSQL."""
