"""The readers of files under a fuzzer that follows the coverage of the code: `make fuzz-readers`."""
