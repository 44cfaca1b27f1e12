"""Data → members. Knows models; nothing imports it."""
