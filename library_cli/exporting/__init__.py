"""The command `library export`: all books, users or loans as CSV or JSON Lines."""
