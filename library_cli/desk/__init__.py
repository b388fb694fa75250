"""What is done at the desk of a library: search, enrol, lend, take back, and look up loans and users."""
