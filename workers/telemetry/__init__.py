"""Logs and figures of workers and API. Knows no work."""
