"""The admin's servicers. Each method takes a checked request, calls one feature function, and returns its message."""
