"""What was done at the desk: entries are added, never changed, and pushed to the admin."""
