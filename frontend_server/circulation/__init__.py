"""Checking out, checking in and renewing: the use cases, and the pure rules that they apply."""
