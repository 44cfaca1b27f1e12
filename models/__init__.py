"""Pixels → verdict. Knows no network, no Redis and no Flask."""
