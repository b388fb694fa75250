"""The frontend's servicers. Each method gets a checked request, calls one feature function and returns its reply."""
