"""Who may do what: what a method needs, who a caller is, and the guard that compares them. See docs/access.md."""
