"""What patrons can browse."""
