"""Each module prints its ratios; none is a test. `python -m benchmarks` runs them all."""
