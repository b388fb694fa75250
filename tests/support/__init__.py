"""What the tests use: real databases, real server processes, a clock to set, calls with their errors."""
