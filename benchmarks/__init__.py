"""Measurements, one command: `python -m benchmarks`. Never part of the test suite."""
