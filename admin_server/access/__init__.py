"""Who may do what: the roles of the staff, API tokens, and what the guard asks about callers. See docs/access.md."""
