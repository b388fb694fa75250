"""Keeping in step with the admin: the catalogue is pulled, users and loans are pushed. docs/sync.md tells the whole."""
