"""Middleware: what every request passes, from authentication to problem documents."""
