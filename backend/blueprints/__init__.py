"""The HTTP calls: one module a concern."""
