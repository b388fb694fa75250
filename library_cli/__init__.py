"""The command `library`: work at the desk, import and export, run and check the services."""
