"""Formats of files with books: MARC in its three forms, and lines of JSON. What is read is distrusted and bounded."""
