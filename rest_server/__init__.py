"""HTTP and JSON for any gRPC servers that have reflection: it learns what they offer from themselves."""
