"""Writers of MARC records: the fields of a book and its items, and the three formats of their records."""
