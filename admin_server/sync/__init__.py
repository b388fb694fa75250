"""The admin's half of the sync: what it lists for the frontend, and where a cursor or receipt is valid."""
