"""The frontend's tables, and their migrations."""
