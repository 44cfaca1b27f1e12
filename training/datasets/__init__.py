"""Training images: reading, cleaning and splitting. Does not depend on the members."""
