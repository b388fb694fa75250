"""The frontend's servicers. Each method is three moves: (checked) request, one feature function, reply."""
