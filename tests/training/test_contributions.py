"""What each member adds, for members with known signals."""

from __future__ import annotations

import numpy as np
import pytest

from training import contributions
from training.calibrate import Answers, Scored
from training.datasets.packs import Example
from training.features import Features

IMAGES = 600
EXAMPLES = [Example("modern", str(i), i % 2 == 0, "photo", f"s{i % 50}", "") for i in range(IMAGES)]
KNOWN = Features(EXAMPLES, np.full(IMAGES, "clean"), np.empty((IMAGES, 0), np.float32))
SIDE = np.array([1.0 if example.ai else -1.0 for example in EXAMPLES])


def signal(strength: float, seed: int) -> np.ndarray:
    return strength * SIDE + np.random.default_rng(seed).normal(size=IMAGES)


def test_a_member_that_knows_something_of_its_own_adds_something(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("training.calibrate.STRENGTHS", (1.0,))
    answers = Answers(
        KNOWN, {"cnn": signal(0.0, 1), "efficientnet": signal(1.0, 2)}, signal(1.0, 3), 1
    )
    text = contributions.report(answers, signal(0.0, 4))
    gains = {
        cells[1].strip(): float(cells[4].split()[0])
        for line in text.splitlines()[2:]
        if (cells := line.strip("| ").split(" | ")) and cells[1] != "nobody"
    }

    assert list(gains) == ["cnn", "efficientnet", "clip_shallow", "clip", "cnn, efficientnet"]
    assert gains["efficientnet"] > 0.05
    assert abs(gains["cnn"]) < 0.01


def test_logits_are_found_by_image_and_tier() -> None:
    both = Features(EXAMPLES * 2, np.repeat(["clean", "web"], IMAGES), np.empty((2 * IMAGES, 0)))
    shallow = Scored(both, {"folds": np.arange(2.0 * IMAGES)})
    rows = np.array([3, IMAGES + 1])
    answers = Answers(both.take(rows), {}, np.zeros(2), 1)

    found = contributions.shallow_logits({"clip_shallow": shallow}, answers)
    assert found.tolist() == [3, IMAGES + 1]
