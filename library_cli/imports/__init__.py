"""Imports of files as operations: starting one, following it, and `library imports`."""
