"""Read books from a file as people make it: which kind of file it is, its columns, and the values in its rows."""
