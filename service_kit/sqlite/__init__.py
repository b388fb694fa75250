"""SQLite for a store: the check that a log belongs to its file, and a lock while a process uses the store."""
