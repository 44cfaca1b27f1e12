"""One URL → cache entry: fetch, classify, record."""
