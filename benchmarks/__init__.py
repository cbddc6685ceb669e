"""Benchmarks of Flask-Cable and its rivals: `python -m benchmarks`, or `make bench`."""
