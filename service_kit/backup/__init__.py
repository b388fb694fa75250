"""Copies of stores: written while servers run, checked, and put back, on SQLite and PostgreSQL.

A copy is one SQLite file, whichever engine the store is on, so that it can be restored into either.
"""
