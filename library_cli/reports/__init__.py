"""The commands `library report` and `library history`."""
