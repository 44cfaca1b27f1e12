"""The requests' and replies' types: one module a blueprint, of the same name."""
