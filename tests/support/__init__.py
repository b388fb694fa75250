"""What the tests stand on: real databases, real server processes, a clock to set, calls with their errors."""
