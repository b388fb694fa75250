"""Tests that damage a store."""

from __future__ import annotations

import pytest

TEXTS_THAT_CANNOT_BE_DECODED = [
    # After one, cysqlite complains when it frees the statement; it has freed it all the same.
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
    pytest.mark.usefixtures("complaints_stay_here"),
]
"""Marks of tests that store such texts in SQLite."""
