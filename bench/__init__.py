"""Measures of speed, each a ratio taken in one run: machines differ, and are noisy."""
