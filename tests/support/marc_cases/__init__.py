"""Awkward MARC records, each with a name and with what comes of it, for tests/unit/test_formats_*.py."""
