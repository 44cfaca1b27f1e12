"""Benchmarks. Each result is a ratio within one run, because machines differ and are noisy."""

import models.no_telemetry  # noqa: F401
