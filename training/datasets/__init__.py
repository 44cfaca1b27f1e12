"""The images to learn from: what is known of each, and its pixels. Knows no member."""
