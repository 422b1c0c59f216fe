"""Benchmarks of speed, memory and quality. Run them by hand, on an otherwise idle machine."""
