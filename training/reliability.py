"""Copies the measured labels of test images to the weights: ``python -m training.reliability``."""

from __future__ import annotations

import json
from pathlib import Path

from models.sentences import RELIABILITY, Reliability

METRICS = Path(__file__).parent / "report" / "metrics.json"
TIER = "web"
"""The quality of images on the web: long side up to 768 px, JPEG of quality 60."""
CORPORA = {"photo": "modern photo", "art": "modern art"}


def measured(metrics: Path = METRICS) -> Reliability:
    """Return how many test images got each label, by kind and truth."""
    report = json.loads(metrics.read_text())
    tier = report["tiers"][TIER]
    return Reliability(
        version=report["version"],
        counts={kind: tier[corpus]["labels"]["counts"] for kind, corpus in CORPORA.items()},
    )


if __name__ == "__main__":
    RELIABILITY.write_text(measured().model_dump_json(indent=2) + "\n")
