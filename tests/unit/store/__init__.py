"""The store, on SQLite files of their own."""
