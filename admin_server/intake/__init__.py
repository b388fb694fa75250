"""Imports of many books, and how a run of one is undone."""
