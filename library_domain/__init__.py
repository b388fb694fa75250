"""What both servers share: errors, messages of rows, ISBNs, words of the search, pure rules. No tables."""
