"""What a store needs of SQLite: which log belongs to which file, a lock for as long as a process uses it, checks."""
