"""Checking out, checking in and renewing: use cases, and the pure rules that they ask."""
