"""The command for the items of the library."""
