"""The commands for the desk of a library: search, enrol, lend, return, renew, and list loans and users."""
