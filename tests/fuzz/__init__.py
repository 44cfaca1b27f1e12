"""Coverage-guided fuzzing of what reads bytes that nobody trusts: decoding, and metadata."""
