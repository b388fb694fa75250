"""The items: the physical copies of books, each with a barcode."""
