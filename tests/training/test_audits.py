"""The audits detect scorers that use a shortcut, and pass others."""

from __future__ import annotations

import numpy as np
import pytest

from models.ensemble import Classification, label_of
from models.manifest import Thresholds
from models.views import Pixels
from tests.training.synthetic import originals, predictions
from training import acceptance_targets, audits
from training.audits import VARIANTS, invariance, metadata
from training.datasets import packs
from training.paths import Paths
from training.predictions import ENSEMBLE, Predictions


@pytest.fixture(autouse=True)
def _few_permutations(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each permutation fits five models, which takes a tenth of a second."""
    monkeypatch.setattr(audits, "PERMUTATIONS", 4)


def says(probability: float) -> Classification:
    return Classification(label_of(probability, Thresholds(real=0.3, ai=0.7)), probability, {})


def knows_the_file(pixels: Pixels) -> Classification:
    """Classify images with many colours, an effect of lossy compression, as real."""
    colours = np.unique(pixels.astype(int) @ (1, 256, 65536))
    return says(0.1 if len(colours) > 50 else 0.9)


def knows_the_picture(pixels: Pixels) -> Classification:
    return says(0.9 if pixels[..., 0].mean() > pixels[..., 1].mean() else 0.1)


def knows_the_size_a_little(pixels: Pixels) -> Classification:
    return says(0.5 if min(pixels.shape[:2]) < 200 else 0.9)


def test_a_scorer_that_knows_the_compression_is_caught(paths: Paths) -> None:
    found = invariance(packs.load("val", paths.data, paths.cache), knows_the_file)

    assert found["variants"]["PNG"]["flips"] == 0
    assert found["variants"]["JPEG q60"]["flips"] == 1
    assert found["flips"].value > acceptance_targets.FLIPS


def test_a_scorer_that_knows_the_picture_never_flips(paths: Paths) -> None:
    found = invariance(packs.load("val", paths.data, paths.cache), knows_the_picture)

    assert found["flips"].value == found["changes"].value == 0
    assert found["judgements"] == found["images"] * len(VARIANTS) == 8 * len(VARIANTS)


def test_a_change_to_uncertain_is_no_flip_but_is_told(paths: Paths) -> None:
    found = invariance(packs.load("val", paths.data, paths.cache), knows_the_size_a_little)

    assert found["flips"].value == 0
    assert found["variants"]["× 0.67"]["changes"] == 1
    assert found["variants"]["× 0.67"]["moves"] == pytest.approx(0.4)


def modern(strength: float) -> Predictions:
    return predictions(strength, sources=20).of_pack("modern")


def test_scores_that_hang_on_the_file_format_are_caught() -> None:
    images = modern(strength=2)
    known = originals(images)
    formats = [known[example.pack, example.name].format for example in images.examples]
    images.probabilities[ENSEMBLE] = np.where(np.array(formats) == "PNG", 0.9, 0.1)
    found = metadata(images, known)

    assert found["r2"] > 0.9 > found["r2_control"]
    assert found["r2"] > acceptance_targets.METADATA


def test_scores_that_hang_on_the_picture_pass() -> None:
    images = modern(strength=2)
    found = metadata(images, originals(images))

    assert found["r2"] <= acceptance_targets.METADATA
    assert found["predicted_auc"] == pytest.approx(0.5, abs=0.15)


def test_scores_that_know_the_label_as_metadata_does_are_no_shortcut() -> None:
    images = modern(strength=6)
    known = {
        key: type(facts)(facts.width, facts.height, "PNG" if example.ai else "JPEG")
        for example, (key, facts) in zip(images.examples, originals(images).items(), strict=True)
    }
    found = metadata(images, known)

    assert found["label_auc"] > 0.95
    assert found["r2"] <= acceptance_targets.METADATA


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
    """Give four of five images the format of their label, and the others the other format."""
    odd = np.arange(len(ai)) % 5 == 0
    return np.where(ai ^ odd, of_ai, of_real).tolist()
