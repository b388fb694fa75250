"""Import books from a file: reading it, sending its rows, showing what became of them."""
