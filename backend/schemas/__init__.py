"""Types of requests and replies: a module per blueprint, with the same name."""
