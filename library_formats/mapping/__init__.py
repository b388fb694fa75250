"""What the fields of a MARC record mean: rules as data (`*.toml`), and the functions that they name."""
