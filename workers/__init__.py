"""URL → verdict in the store. Knows models; knows no Flask."""
