"""Reports for librarians: users, who has what on loan, all loans, and the status of the store."""
