"""A file becomes a verdict: what the pixels and what the file itself say are kept apart."""

from __future__ import annotations

import pytest

from models.ensemble import Ensemble
from models.evidence import content_credentials
from models.verdict import Label
from tests.models.credentials import Authority, created
from tests.pictures import encoded, photograph
from workers.processing.pipeline import classify


@pytest.fixture(scope="module")
def ensemble() -> Ensemble:
    return Ensemble.load(cascade_mode="never")


def test_a_trusted_generator_decides_and_the_pixels_keep_their_probability(
    ensemble: Ensemble, monkeypatch: pytest.MonkeyPatch
) -> None:
    generator = Authority("Example Generator")
    plain = encoded(photograph())
    data = generator.sign(plain, created("trainedAlgorithmicMedia"))
    by_pixels = classify(plain, ensemble, 60)
    assert (by_pixels.decided_by, by_pixels.pixels) == ("pixels", None)

    unknown = classify(data, ensemble, 60)
    assert (unknown.label, unknown.decided_by) == (by_pixels.label, "pixels")
    assert len(unknown.evidence) == 1

    context = content_credentials.make_context(generator.certificate, "")
    monkeypatch.setattr(content_credentials, "_context", lambda: context)
    verdict = classify(data, ensemble, 60)
    assert (verdict.label, verdict.decided_by, verdict.lean) == (Label.AI, "credentials", "ai")
    assert verdict.probability == by_pixels.probability
    assert verdict.pixels == (None if by_pixels.label is Label.AI else by_pixels.label)
