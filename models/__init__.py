"""Decodes and classifies images: bytes → label, probability and evidence. Uses no network."""
