"""The sync with the admin: the catalogue is pulled, users and loans are pushed. See docs/sync.md."""
