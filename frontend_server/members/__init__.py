"""Accounts of users: the use cases, and the pure rules that they apply."""
