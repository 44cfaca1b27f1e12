"""What the console shows is what was measured."""

from __future__ import annotations

import csv
import json
from pathlib import Path

from models.manifest import load_manifest
from models.quality import Quality
from training.evaluate import REPORT
from training.quality import select


def test_the_shipped_figures_are_those_of_the_report_and_of_the_shipped_weights() -> None:
    figures = json.loads((REPORT / "metrics.json").read_text())
    with Path(REPORT / "slices.csv").open(newline="") as file:
        selected = select(figures, list(csv.DictReader(file)))

    assert Quality.load() == selected, "run python -m training.report"
    assert selected.version == load_manifest().version


def test_the_figures_fit_together() -> None:
    quality = Quality.load()
    assert quality is not None
    clean = quality.tiers["clean"]

    for truth, side in (("ai", clean.ai), ("real", clean.real)):
        sources = [source for source in quality.sources if source.truth == truth]
        assert len(sources) == side.sources
        for label, count in side.counts.items():
            assert sum(source.counts[label] for source in sources) == count
    assert sum(each.images for each in quality.reliability) == clean.ai.images + clean.real.images
