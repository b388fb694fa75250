"""What both servers know of libraries: the errors that clients meet, ISBNs, and how books are found by words."""
