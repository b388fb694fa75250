"""Imports of files as operations: uploads, the worker that imports their records, and how far they are."""
