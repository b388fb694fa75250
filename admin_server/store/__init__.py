"""The admin's tables, and their migrations."""
