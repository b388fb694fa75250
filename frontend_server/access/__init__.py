"""Who may do what: accounts and sessions, signing keys, and what the guard asks about callers. See docs/access.md."""
