"""The command `library labels`: sheets of barcode labels for items, and of user cards, as PDF."""
