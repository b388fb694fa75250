"""Faults that the tests must find: small changes of the code, each of which breaks one rule, and the tests that fail.

`make mutants` makes each change in a copy of the tree and runs its tests there. The lists are the .toml files.
"""
