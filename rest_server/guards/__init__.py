"""Bounds on what clients may send and take. Each has a test that shows the harm without it."""
