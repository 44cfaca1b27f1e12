"""The audits: scorers that take a shortcut are caught, others are not."""

from __future__ import annotations

import numpy as np
import pytest

from models.ensemble import Judgement, label_of
from models.manifest import Thresholds
from models.views import Pixels
from tests.training.drawn import judged, originals
from training import bars
from training.audits import VARIANTS, invariance, metadata
from training.datasets import packs
from training.judged import ENSEMBLE, Judged
from training.places import Places


def says(probability: float) -> Judgement:
    return Judgement(label_of(probability, Thresholds(real=0.3, ai=0.7)), probability, {})


def knows_the_file(pixels: Pixels) -> Judgement:
    """Call real what lossy compression has given more colours than anyone draws with."""
    colours = np.unique(pixels.astype(int) @ (1, 256, 65536))
    return says(0.1 if len(colours) > 50 else 0.9)


def knows_the_picture(pixels: Pixels) -> Judgement:
    return says(0.9 if pixels[..., 0].mean() > pixels[..., 1].mean() else 0.1)


def knows_the_size_a_little(pixels: Pixels) -> Judgement:
    return says(0.5 if min(pixels.shape[:2]) < 200 else 0.9)


def test_a_scorer_that_knows_the_compression_is_caught(places: Places) -> None:
    found = invariance(packs.load("val", places.data, places.cache), knows_the_file)

    assert found["variants"]["PNG"]["flips"] == 0
    assert found["variants"]["JPEG q60"]["flips"] == 1
    assert found["flips"].value > bars.FLIPS


def test_a_scorer_that_knows_the_picture_never_flips(places: Places) -> None:
    found = invariance(packs.load("val", places.data, places.cache), knows_the_picture)

    assert found["flips"].value == found["changes"].value == 0
    assert found["judgements"] == found["images"] * len(VARIANTS) == 8 * len(VARIANTS)


def test_a_change_to_uncertain_is_no_flip_but_is_told(places: Places) -> None:
    found = invariance(packs.load("val", places.data, places.cache), knows_the_size_a_little)

    assert found["flips"].value == 0
    assert found["variants"]["× 0.67"]["changes"] == 1
    assert found["variants"]["× 0.67"]["moves"] == pytest.approx(0.4)


def modern(strength: float) -> Judged:
    return judged(strength, sources=20).of_pack("modern")


def test_scores_that_hang_on_the_file_format_are_caught() -> None:
    images = modern(strength=2)
    known = originals(images)
    formats = [known[example.pack, example.name].format for example in images.examples]
    images.probabilities[ENSEMBLE] = np.where(np.array(formats) == "PNG", 0.9, 0.1)
    found = metadata(images, known)

    assert found["r2"] > 0.9 > found["r2_control"]
    assert found["r2"] > bars.METADATA


def test_scores_that_hang_on_the_picture_pass() -> None:
    images = modern(strength=2)
    found = metadata(images, originals(images))

    assert found["r2"] <= bars.METADATA
    assert found["predicted_auc"] == pytest.approx(0.5, abs=0.15)


def test_scores_that_know_the_label_as_metadata_does_are_no_shortcut() -> None:
    images = modern(strength=6)
    known = {
        key: type(facts)(facts.width, facts.height, "PNG" if example.ai else "JPEG")
        for example, (key, facts) in zip(images.examples, originals(images).items(), strict=True)
    }
    found = metadata(images, known)

    assert found["label_auc"] > 0.95
    assert found["r2"] <= bars.METADATA


def test_scores_that_never_vary_have_nothing_to_explain() -> None:
    images = modern(strength=2)
    images.ensemble[:] = 0.5

    assert metadata(images, originals(images))["r2"] == 0


def test_a_shortcut_towards_the_label_is_told_from_one_away_from_it() -> None:
    images = modern(strength=2)
    known = {
        key: type(facts)(facts.width, facts.height, format_)
        for (key, facts), format_ in zip(
            originals(images).items(), _mostly(images.ai, "PNG", "JPEG"), strict=True
        )
    }
    png = np.array([known[e.pack, e.name].format == "PNG" for e in images.examples])
    images.probabilities[ENSEMBLE] = np.where(png, 0.9, 0.1)
    towards = metadata(images, known)["predicted_auc"]
    images.probabilities[ENSEMBLE] = np.where(png, 0.1, 0.9)
    away = metadata(images, known)["predicted_auc"]

    assert away < 0.4 < 0.6 < towards


def _mostly(ai: np.ndarray, of_ai: str, of_real: str) -> list[str]:
    """Give four of five images of a label its own format, the others the other's."""
    odd = np.arange(len(ai)) % 5 == 0
    return np.where(ai ^ odd, of_ai, of_real).tolist()
