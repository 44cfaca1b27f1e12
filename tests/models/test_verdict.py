"""What a verdict says."""

from __future__ import annotations

import pytest

from models.verdict import Verdict
from tests.backend.fake_api import verdict


@pytest.mark.parametrize(
    ("label", "probability", "lean"),
    [
        ("ai", 0.9, "ai"),
        ("uncertain", 0.6, "ai"),
        ("uncertain", 0.59, "none"),
        ("uncertain", 0.41, "none"),
        ("uncertain", 0.4, "real"),
        ("real", 0.1, "real"),
        ("real", 0.5, "real"),
    ],
)
def test_an_uncertain_verdict_leans_to_the_likelier_answer(
    label: str, probability: float, lean: str
) -> None:
    found = verdict(probability, label=label)
    assert found.lean == lean
    assert Verdict.model_validate_json(found.model_dump_json()) == found
