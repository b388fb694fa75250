"""How fast the servers are, as parts of what could be: `python -m benchmarks`. docs/performance.md tells the rest."""
