"""Browsing the replica of the catalogue."""
