"""Copies of stores: written while servers run, checked, and restored, on SQLite and PostgreSQL.

A copy of a store on either engine is one SQLite file, so that it can be restored into either.
"""
