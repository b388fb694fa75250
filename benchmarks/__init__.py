"""The speed of the servers compared with yardsticks: `python -m benchmarks`. See docs/performance.md."""
