"""The command `library certs`: a private certificate authority for the servers of a small site."""
