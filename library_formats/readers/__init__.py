"""Readers of the formats, a module for each. They yield records as they are in the file, before any field is mapped."""
