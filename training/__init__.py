"""Trains, calibrates and evaluates the members. The product does not import this package."""

import models.no_telemetry  # noqa: F401
