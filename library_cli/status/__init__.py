"""The command `library status`."""
