"""The catalogue: librarians add, change, remove and look up books."""
