"""Commands for the roles of the staff and for API tokens."""
