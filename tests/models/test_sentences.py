"""What a verdict says of itself."""

from __future__ import annotations

import pytest

from models.manifest import load_manifest
from models.quality import Quality
from models.sentences import error_rate, sentences
from models.verdict import Label, Verdict
from tests.backend.cli.test_console import done

QUALITY = Quality.load()
assert QUALITY


def verdict(**more: object) -> Verdict:
    (found,) = [done("a.jpg", 0.9).verdict]
    assert found is not None
    return found.model_copy(update={"model_version": QUALITY.version, **more})


def test_the_rates_are_those_of_the_shipped_weights() -> None:
    assert QUALITY.version == load_manifest().version


@pytest.mark.parametrize(
    ("label", "name"),
    [
        (Label.AI, "“Likely AI”"),
        (Label.REAL, "“No sign of AI”"),
        (Label.UNCERTAIN, "“Uncertain”"),
    ],
)
def test_a_label_has_its_own_error_rate(label: Label, name: str) -> None:
    photographs = QUALITY.kinds["modern photo"]
    given = photographs.ai.counts[label] + photographs.real.counts[label]
    rate = error_rate(verdict(label=label))
    assert rate is not None
    assert name in rate
    assert f"{given} photographs" in rate


def test_another_model_is_not_given_the_rates_of_this_one() -> None:
    other = verdict(model_version="2020-01-01.00000000")
    assert error_rate(other) is None
    assert "has not been measured" in sentences(other)[1]


def test_an_animation_says_that_one_frame_was_judged() -> None:
    one = verdict()
    image = one.image.model_copy(update={"frames": 12})
    assert "the other 11 frames" in sentences(verdict(image=image))[-1]
    assert "frames" not in sentences(one)[-1]
