"""Signing in, and the named libraries (contexts) whose addresses and sessions the command keeps for its user."""
